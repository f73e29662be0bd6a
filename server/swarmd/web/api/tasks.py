"""The routes that look at tasks: lists, one task, why it waits, what its sessions printed."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Final

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
from swarmd.engine.reports.session_logs import LogPage
from swarmd.engine.tasks import lookup
from swarmd.store import events
from swarmd.store.reads import pages
from swarmd.store.reads.pages import Sort, SortKey, TaskFilter
from swarmd.store.transaction import ReadTx
from swarmd.web.http.params import Param, cursor, integer, text, word, words, write_cursor
from swarmd.web.http.route import ApiRequest, AppState
from swarmd.wire import reads, views


class SortOrder(StrEnum):
    """Which end of a sorted list comes first."""

    ASC = "asc"
    DESC = "desc"


MAX_PAGE: Final = 500
STATUS: Final[Param[Sequence[TaskStatus]]] = words("status", "Only tasks of these statuses.", TaskStatus)
PHASE: Final[Param[str]] = text("phase", "Only tasks of this phase.")
Q: Final[Param[str]] = text("q", "Only tasks with this in their id or name.")
SORT: Final[Param[Sort | None]] = word("sort", "By what to sort; in the order of import without it.", Sort)
ORDER: Final[Param[SortOrder | None]] = word("order", "`asc`, unless said.", SortOrder)
LIMIT: Final[Param[int]] = integer("limit", "How many at most.", low=1, high=MAX_PAGE, default=100)
AFTER: Final[Param[Sequence[str | int] | None]] = cursor("after", "The `next` of the page before.")

ROLE: Final[Param[SessionRole | None]] = word("role", "Only sessions of this role.", SessionRole)
ATTEMPT: Final[Param[int]] = integer(
    "attempt", "Only this attempt; the latest without it.", high=2**31 - 1, default=0
)
CURSOR: Final[Param[int]] = integer("after", "The `cursor` of the last entry seen.", default=0)
ENTRIES: Final[Param[int]] = integer("limit", "How many at most.", low=1, high=5_000, default=500)
TAIL: Final[Param[int]] = integer(
    "tail", "Begins with the newest so many of each session.", high=100_000, default=0
)
WAIT_S: Final[Param[int]] = integer(
    "wait_s", "If there is nothing new, waits so long for it before it answers.", high=30, default=0
)

SEQ: Final[Param[int]] = integer("after", "The `seq` of the last event seen.", default=0)
TASK: Final[Param[str]] = text("task", "Only events of this task.")


async def tasks(site: AppState, ask: ApiRequest) -> Document:
    """A page of the tasks that fit."""
    wanted = TaskFilter(ask.of(STATUS), ask.of(PHASE), ask.of(Q))
    limit = ask.of(LIMIT)

    def read(tx: ReadTx) -> Document:
        keys, following = _page(tx, wanted, ask)
        return {
            "tasks": list_document(reads.tasks(tx, keys)),
            "next": following if len(keys) == limit else None,
            "total": pages.total(tx, wanted),
        }

    return await site.read_long(read)


async def task(site: AppState, ask: ApiRequest) -> Document:
    """One task with its attempts."""
    return show_document(await site.looks.task(ask.path["id"]))


async def explain(site: AppState, ask: ApiRequest) -> Document:
    """Why a task is where it is."""
    return explain_document(await site.looks.explain(ask.path["id"]))


async def log(site: AppState, ask: ApiRequest) -> Document:
    """The next of what a task's sessions printed."""
    wanted = session_logs.LogQuery(
        role=ask.of(ROLE),
        attempt=ask.of(ATTEMPT),
        after=ask.of(CURSOR),
        tail=ask.of(TAIL),
        limit=ask.of(ENTRIES),
    )
    key, task_id = await site.swarm.db.read(partial(_named, name=ask.path["id"]))
    look = partial(session_logs.page, key=key, wanted=wanted)
    more = site.swarm.feed.next(task_id)
    try:
        page = await site.swarm.db.read(look)
        if not page.shown and not page.ended and ask.of(WAIT_S):
            await asyncio.wait({more}, timeout=ask.of(WAIT_S))
            page = await site.swarm.db.read(look)
    finally:
        more.cancel()
    return _log_document(page, after=wanted.after)


async def log_of_events(site: AppState, ask: ApiRequest) -> Document:
    """The next events."""
    after = ask.of(SEQ)
    task_id = ask.of(TASK)
    if task_id:
        task_id = (await site.swarm.db.read(partial(_named, name=task_id)))[1]
    read = partial(events.after, seq=after, limit=ask.of(LIMIT), task_id=task_id)
    found = await site.swarm.db.read(read)
    return {
        "events": [event_document(views.event(event)) for event in found],
        "next": found[-1].seq if found else after,
    }


def _page(tx: ReadTx, wanted: TaskFilter, ask: ApiRequest) -> tuple[Sequence[TaskKey], str | None]:
    """The keys of a page, and the cursor behind it."""
    sort, after, limit = ask.of(SORT), ask.of(AFTER), ask.of(LIMIT)
    if sort is None:
        keys = pages.page(tx, wanted, after=0 if after is None else _key(after), limit=limit)
        return keys, write_cursor(keys[-1]) if keys else None
    place = None if after is None else _place(after)
    page = pages.sorted_page(
        tx, wanted, sort=sort, down=ask.of(ORDER) is SortOrder.DESC, after=place, limit=limit
    )
    return page.keys, write_cursor(page.last.value, page.last.key) if page.last else None


def _key(after: Sequence[str | int]) -> int:
    match after:
        case [int() as key] if 0 <= key < 2**62:
            return key
    raise _foreign()


def _place(after: Sequence[str | int]) -> SortKey:
    match after:
        case [str() as value, int() as key] if 0 <= key < 2**62:
            return SortKey(value, key)
        case [int() as value, int() as key] if abs(value) < 2**62 and 0 <= key < 2**62:
            return SortKey(value, key)
    raise _foreign()


def _foreign() -> InvalidRequest:
    return InvalidRequest(AFTER.name, "is none that this list gave")


def _named(tx: ReadTx, name: str) -> tuple[TaskKey, str]:
    found = lookup.resolve(tx, name)
    return found.key, found.task_id


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
