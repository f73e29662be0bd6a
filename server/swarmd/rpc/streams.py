"""The streams of OperatorService: each reads from a cursor on and waits for a wakeup between reads."""

import asyncio
import contextlib
import struct
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import IO, Final

from amplifier_swarm.v1 import operator_service_pb2 as pb
from swarmd.domain.definition import PlannedTask
from swarmd.domain.errors import SessionNotFound, StorageFull
from swarmd.domain.lifecycle import TaskStatus
from swarmd.engine.live.wakeups import SubscriberKind
from swarmd.engine.reports import session_logs
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import lookup
from swarmd.store import events as store_events
from swarmd.store import exclusive_names, tasks
from swarmd.store.file.opening import SCRATCH
from swarmd.store.transaction import ReadTx
from swarmd.wire import artifacts, definitions, enums, views

PAGE: Final = 500
# Events of this period go to subscribers in one message.
COALESCE_S: Final = 0.1
MESSAGE_BYTES: Final = 256 * 1024
_LENGTH: Final = struct.Struct(">I")


async def export(swarm: Swarm, statuses: Collection[TaskStatus]) -> AsyncIterator[pb.ExportTasksResponse]:
    """Yields the tasks of these statuses, or all tasks if it is empty, in messages of about MESSAGE_BYTES.

    A reader writes the messages of one moment to a temporary file, so that a slow caller holds neither a read
    transaction nor the plan in memory.
    """
    with tempfile.SpooledTemporaryFile(max_size=MESSAGE_BYTES, dir=str(swarm.db.path.parent)) as spool:
        await swarm.db.read(partial(_spool, statuses=statuses, spool=spool))
        while head := await asyncio.to_thread(spool.read, _LENGTH.size):
            data = await asyncio.to_thread(spool.read, _LENGTH.unpack(head)[0])
            yield pb.ExportTasksResponse.FromString(data)


def _spool(tx: ReadTx, *, statuses: Collection[TaskStatus], spool: IO[bytes]) -> None:
    plan = (task for task in tasks.export(tx) if not statuses or task.status in statuses)
    try:
        for message in _messages(plan, exclusive_names.capacities(tx)):
            data = message.SerializeToString()
            spool.write(_LENGTH.pack(len(data)) + data)
        spool.seek(0)
    except OSError as error:
        raise StorageFull(error.strerror or str(error)) from error


def _messages(
    plan: Iterable[PlannedTask], concurrency: Mapping[str, int]
) -> Iterator[pb.ExportTasksResponse]:
    message, size = pb.ExportTasksResponse(concurrency=concurrency), 0
    for task in plan:
        planned = definitions.planned(task.status, task.definition)
        message.tasks.append(planned)
        size += planned.ByteSize()
        if size > MESSAGE_BYTES:
            yield message
            message, size = pb.ExportTasksResponse(), 0
    if message.tasks or message.concurrency:
        yield message


async def events(
    swarm: Swarm, pages: "EventPages", request: pb.WatchEventsRequest
) -> AsyncIterator[pb.WatchEventsResponse]:
    """Yields the events after `after_seq`; with `follow`, future events too."""
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
                await asyncio.sleep(COALESCE_S)


@dataclass(frozen=True, slots=True)
class _EventPage:
    """A page of events as a message, and the count of wakeups before it was read."""

    message: pb.WatchEventsResponse
    wakes: int


class EventPages:
    """A cache of event pages: subscribers at the same position share one read and one message.

    Performance: the cost of `viewers` in docs/performance.md.
    """

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._reading: dict[tuple[int, str], asyncio.Task[_EventPage]] = {}

    async def after(self, seq: int, task_id: str) -> _EventPage:
        """Returns the events after `seq`, shared with others; `task_id` limits them to one task."""
        key = (seq, task_id)
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self.read(seq, task_id))
            asyncio.get_running_loop().call_later(COALESCE_S, self._reading.pop, key, None)
        # A subscriber that disconnects must not cancel the read of the others.
        return await asyncio.shield(reading)

    async def read(self, seq: int, task_id: str) -> _EventPage:
        """Reads the events after `seq` now, for one caller alone."""
        wakes = self._swarm.wakeups.count
        read = partial(store_events.after, seq=seq, limit=PAGE, task_id=task_id)
        found = await self._swarm.db.read(read)
        return _EventPage(pb.WatchEventsResponse(events=[views.event(event) for event in found]), wakes)


async def log(swarm: Swarm, request: pb.TailLogRequest) -> AsyncIterator[pb.TailLogResponse]:
    """Yields the log of a task's sessions; with `follow`, future entries too.

    Raises: SessionNotFound if the session does not exist and `follow` is not set.
    """
    role = enums.SESSION_ROLE.optional(request.role, "role")
    task = await swarm.db.read(lambda tx: lookup.resolve(tx, request.task_id))
    wanted = session_logs.LogQuery(
        role,
        request.attempt,
        request.after_cursor,
        request.tail,
        PAGE,
        kind=enums.LOG_KIND.optional(request.kind, "kind"),
    )
    with swarm.wakeups.subscribe(SubscriberKind.LOG):
        while True:
            more = swarm.wakeups.wait_next(task.task_id)
            page = await swarm.db.read(partial(session_logs.page, key=task.key, wanted=wanted))
            if not page.begun and not request.follow:
                more.cancel()
                raise SessionNotFound(task.task_id, f"{role} session" if role else "session")
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


async def artifact(swarm: Swarm, request: pb.GetArtifactRequest) -> AsyncIterator[pb.GetArtifactResponse]:
    """Yields what is known of an artifact, then its content in chunks."""
    opened = await swarm.artifacts.open(request.task_id, request.name, number=request.attempt)
    with opened.file as file:
        yield pb.GetArtifactResponse(artifact=artifacts.write(opened.record))
        while chunk := await asyncio.to_thread(file.read, MESSAGE_BYTES):
            yield pb.GetArtifactResponse(chunk=chunk)


async def backup(swarm: Swarm) -> AsyncIterator[pb.BackupResponse]:
    """Yields a copy of the database in chunks; the copy is made beside it, on the same disk."""
    try:
        async for chunk in read_copy(swarm):
            yield pb.BackupResponse(chunk=chunk)
    except OSError as error:
        raise StorageFull(error.strerror or str(error), what="the backup") from error


async def read_copy(swarm: Swarm) -> AsyncGenerator[bytes, None]:
    """Yields a copy of the database as of one moment, which is over before the first bytes come."""
    with _scratch(swarm.db.path) as copy:
        await swarm.db.backup(copy)
        with copy.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, MESSAGE_BYTES):
                yield chunk


@contextlib.contextmanager
def _scratch(database: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=f"{database.name}{SCRATCH}") as scratch:
        yield Path(scratch) / "swarm.db"
