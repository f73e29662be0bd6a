"""The streams of OperatorService: each reads on from a cursor and waits for the feed between reads."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from amplifier_swarm.v1 import operator_service_pb2 as pb
from swarmd.domain.errors import SessionNotFound
from swarmd.domain.model import PlannedTask, TaskKey
from swarmd.engine.live.wakeups import SubscriberKind
from swarmd.engine.reports import session_logs
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import lookup
from swarmd.store import events as store_events
from swarmd.store.file.opening import SCRATCH
from swarmd.store.transaction import ReadTx
from swarmd.wire import definitions, enums, views

PAGE: Final = 500
# What happens in close succession goes to those who follow together.
GATHER_S: Final = 0.1
MESSAGE_BYTES: Final = 256 * 1024


async def export(plan: Iterable[PlannedTask]) -> AsyncIterator[pb.ExportTasksResponse]:
    """The tasks, in messages of a handy size."""
    message, size = pb.ExportTasksResponse(), 0
    for task in plan:
        planned = definitions.planned(task.status, task.definition)
        message.tasks.append(planned)
        size += planned.ByteSize()
        if size > MESSAGE_BYTES:
            yield message
            message, size = pb.ExportTasksResponse(), 0
    if message.tasks:
        yield message


async def events(
    swarm: Swarm, pages: "EventPages", request: pb.WatchEventsRequest
) -> AsyncIterator[pb.WatchEventsResponse]:
    """The events after the one named, and those to come if they are asked for."""
    task_id = request.task_id
    if task_id:
        task_id = await swarm.db.read(lambda tx: lookup.resolve(tx, request.task_id).task_id)
    with swarm.wakeups.subscribe(SubscriberKind.EVENTS, request.after_seq) as reading:
        seq = request.after_seq
        while True:
            more = swarm.wakeups.wait_next()
            page = await (pages.after if request.follow else pages.read)(seq, task_id)
            if page.message.events:
                reading.seq = seq = page.message.events[-1].seq
                yield page.message
            behind = len(page.message.events) == PAGE
            if not (request.follow or behind):
                more.cancel()
                return
            if behind or page.wakes != swarm.wakeups.count:
                more.cancel()
            else:
                await more
            if not behind:
                await asyncio.sleep(GATHER_S)


@dataclass(frozen=True, slots=True)
class _Page:
    """Some events as a message, and how often there had been something new when they were read."""

    message: pb.WatchEventsResponse
    wakes: int


class EventPages:
    """Reads each page of events once for all who have come to the same place, as those who follow have."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._reading: dict[tuple[int, str], asyncio.Task[_Page]] = {}

    async def after(self, seq: int, task_id: str) -> _Page:
        """The events after that one, of one task if it is named."""
        key = (seq, task_id)
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self.read(seq, task_id))
            asyncio.get_running_loop().call_later(GATHER_S, self._reading.pop, key, None)
        # Whoever hangs up must not take it from the others.
        return await asyncio.shield(reading)

    async def read(self, seq: int, task_id: str) -> _Page:
        """The same as of now, for one alone."""
        wakes = self._swarm.wakeups.count
        read = partial(store_events.after, seq=seq, limit=PAGE, task_id=task_id)
        found = await self._swarm.db.read(read)
        return _Page(pb.WatchEventsResponse(events=[views.event(event) for event in found]), wakes)


async def log(swarm: Swarm, request: pb.TailLogRequest) -> AsyncIterator[pb.TailLogResponse]:
    """The log of a task's sessions, and what comes to it if that is asked for."""
    role = enums.SESSION_ROLE.optional(request.role, "role")
    key, task_id = await swarm.db.read(lambda tx: _named(tx, request.task_id))
    wanted = session_logs.LogQuery(role, request.attempt, request.after_cursor, max(0, request.tail), PAGE)
    with swarm.wakeups.subscribe(SubscriberKind.LOG):
        while True:
            more = swarm.wakeups.wait_next(task_id)
            page = await swarm.db.read(partial(session_logs.page, key=key, wanted=wanted))
            if not page.begun and not request.follow:
                more.cancel()
                raise SessionNotFound(task_id, f"{role} session" if role else "session")
            for session, shown in groupby(page.shown, key=attrgetter("session")):
                yield views.log(session, list(shown))
            if page.shown:
                wanted = replace(wanted, after=page.shown[-1].cursor)
            if page.full:
                more.cancel()
            elif request.follow and not page.ended:
                await more
            else:
                more.cancel()
                return


def _named(tx: ReadTx, task_id: str) -> tuple[TaskKey, str]:
    task = lookup.resolve(tx, task_id)
    return task.key, task.task_id


async def backup(swarm: Swarm) -> AsyncIterator[pb.BackupResponse]:
    """A copy of the database, made beside it so that it fits on the same disk."""
    with _scratch(swarm.db.path) as copy:
        await swarm.db.backup(copy)
        with copy.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, MESSAGE_BYTES):
                yield pb.BackupResponse(chunk=chunk)


@contextlib.contextmanager
def _scratch(database: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=f"{database.name}{SCRATCH}") as scratch:
        yield Path(scratch) / "swarm.db"
