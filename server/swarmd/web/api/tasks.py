"""The routes that read tasks: lists, one task, its explanation, its log, events."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Final, NamedTuple

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.attempts import show_document
from amplifier_swarm.documents.events import event_document
from amplifier_swarm.documents.explain import explain_document
from amplifier_swarm.documents.logs import entry_document
from amplifier_swarm.documents.tasks import list_document
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import SessionRole, TaskKey
from swarmd.engine.reports import session_logs
from swarmd.engine.reports.session_logs import EntryKind, LogPage
from swarmd.engine.tasks import lookup
from swarmd.store import events
from swarmd.store.reads import pages
from swarmd.store.reads.pages import Sort, SortKey, TaskFilter
from swarmd.store.transaction import ReadTx
from swarmd.web.http.params import Param, choice, choices, cursor, integer, text, write_cursor
from swarmd.web.http.route import ApiRequest, AppState
from swarmd.wire import reads, views


class SortOrder(StrEnum):
    """The direction of a sorted list."""

    ASC = "asc"
    DESC = "desc"


MAX_PAGE: Final = 500
STATUS: Final[Param[Sequence[TaskStatus]]] = choices("status", "Only tasks of these statuses.", TaskStatus)
PHASE: Final[Param[str]] = text("phase", "Only tasks of this phase.")
Q: Final[Param[str]] = text("q", "Only tasks with this text in their id or name.")
SORT: Final[Param[Sort | None]] = choice("sort", "The sort key; without it, the order of import.", Sort)
ORDER: Final[Param[SortOrder | None]] = choice("order", "`asc` by default.", SortOrder)
LIMIT: Final[Param[int]] = integer("limit", "The most items to return.", low=1, high=MAX_PAGE, default=100)
AFTER: Final[Param[Sequence[str | int] | None]] = cursor("after", "The `next` of the page before.")

ROLE: Final[Param[SessionRole | None]] = choice("role", "Only sessions of this role.", SessionRole)
ATTEMPT: Final[Param[int]] = integer(
    "attempt", "Only this attempt; without it, the latest.", high=2**31 - 1, default=0
)
CURSOR: Final[Param[int]] = integer("after", "The `cursor` of the last entry seen.", default=0)
ENTRIES: Final[Param[int]] = integer("limit", "The most items to return.", low=1, high=5_000, default=500)
TAIL: Final[Param[int]] = integer(
    "tail", "Begins with this many of the newest entries of each session.", high=100_000, default=0
)
WORDS: Final[Param[str]] = text("q", "Only entries with this text, of all that are kept.")
KIND: Final[Param[EntryKind | None]] = choice(
    "kind", "Only entries of this kind, of all that are kept.", EntryKind
)
WAIT_S: Final[Param[int]] = integer(
    "wait_s", "If there is nothing new, how long to wait for it, in seconds.", high=30, default=0
)

SEQ: Final[Param[int]] = integer("after", "The `seq` of the last event seen.", default=0)
TASK: Final[Param[str]] = text("task", "Only events of this task.")


async def tasks(state: AppState, request: ApiRequest) -> Document:
    """Returns a page of the tasks that match."""
    wanted = TaskFilter(request.get(STATUS), request.get(PHASE), request.get(Q))
    limit = request.get(LIMIT)

    def read(tx: ReadTx) -> Document:
        found = _page(tx, wanted, request, state.swarm.clock.wall_us())
        return {
            "tasks": list_document(reads.tasks(tx, found.keys)),
            "next": found.cursor if len(found.keys) == limit else None,
            "total": pages.total(tx, wanted),
        }

    return await state.read_long(read)


async def task(state: AppState, request: ApiRequest) -> Document:
    """Returns a task with its attempts."""
    return show_document(await state.reads.task(request.path["id"]))


async def explain(state: AppState, request: ApiRequest) -> Document:
    """Returns the reasons for a task's status."""
    return explain_document(await state.reads.explain(request.path["id"]))


async def log(state: AppState, request: ApiRequest) -> Document:
    """Returns the next log entries of a task's sessions."""
    wanted = session_logs.LogQuery(
        role=request.get(ROLE),
        attempt=request.get(ATTEMPT),
        after=request.get(CURSOR),
        tail=request.get(TAIL),
        limit=request.get(ENTRIES),
        search=request.get(WORDS),
        kind=request.get(KIND),
    )
    found = await state.swarm.db.read(lambda tx: lookup.resolve(tx, request.path["id"]))
    read = partial(session_logs.page, key=found.key, wanted=wanted)
    more = state.swarm.wakeups.wait_next(found.task_id)
    try:
        page = await (state.read_long(read) if wanted.chooses else state.swarm.db.read(read))
        if not page.shown and not page.ended and request.get(WAIT_S):
            await asyncio.wait({more}, timeout=request.get(WAIT_S))
            page = await state.swarm.db.read(read)
    finally:
        more.cancel()
    return _log_document(page, after=wanted.after)


async def log_of_events(state: AppState, request: ApiRequest) -> Document:
    """Returns the next events."""
    after = request.get(SEQ)
    task_id = request.get(TASK)
    if task_id:
        task_id = (await state.swarm.db.read(lambda tx: lookup.resolve(tx, request.get(TASK)))).task_id
    read = partial(events.after, seq=after, limit=request.get(LIMIT), task_id=task_id)
    found = await state.swarm.db.read(read)
    return {
        "events": [event_document(views.event(event)) for event in found],
        "next": found[-1].seq if found else after,
    }


class _TaskKeyPage(NamedTuple):
    keys: Sequence[TaskKey]
    # Where the next page begins; None if this page is empty.
    cursor: str | None


def _page(tx: ReadTx, wanted: TaskFilter, request: ApiRequest, now_us: int) -> _TaskKeyPage:
    sort, after, limit = request.get(SORT), request.get(AFTER), request.get(LIMIT)
    if sort is None:
        keys = pages.page(tx, wanted, after=0 if after is None else _key(after), limit=limit)
        return _TaskKeyPage(keys, write_cursor(keys[-1]) if keys else None)
    start = None if after is None else _sort_key(after)
    down = request.get(ORDER) is SortOrder.DESC
    page = pages.sorted_page(tx, wanted, sort=sort, down=down, after=start, limit=limit, now_us=now_us)
    return _TaskKeyPage(page.keys, write_cursor(page.last.value, page.last.key) if page.last else None)


def _key(after: Sequence[str | int]) -> int:
    match after:
        case [int() as key] if 0 <= key < 2**62:
            return key
    raise _not_a_cursor()


def _sort_key(after: Sequence[str | int]) -> SortKey:
    match after:
        case [str() as value, int() as key] if 0 <= key < 2**62:
            return SortKey(value, key)
        case [int() as value, int() as key] if abs(value) < 2**62 and 0 <= key < 2**62:
            return SortKey(value, key)
    raise _not_a_cursor()


def _not_a_cursor() -> InvalidRequest:
    return InvalidRequest(AFTER.name, "is not a cursor of this list")


def _log_document(page: LogPage, *, after: int) -> Document:
    entries: list[Any] = []
    for shown in page.shown:
        source = views.log(shown.session, [shown])
        entries.append(entry_document(source, source.entries[0]))
    return {
        "entries": entries,
        "next": page.shown[-1].cursor if page.shown else after,
        "ended": page.ended and not page.full,
    }
