"""The streams of OperatorService: each reads on from a cursor and waits for the feed between reads."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from amplifier_swarm.v1 import operator_service_pb2 as pb
from swarmd.domain.errors import SessionNotFound
from swarmd.domain.model import PlannedTask, TaskKey
from swarmd.engine import logs, names
from swarmd.engine.feed import ReaderKind
from swarmd.engine.swarm import Swarm
from swarmd.store import events as store_events
from swarmd.store.opening import SCRATCH
from swarmd.store.transaction import ReadTx
from swarmd.wire import definitions, enums, views

PAGE: Final = 500
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


async def events(swarm: Swarm, request: pb.WatchEventsRequest) -> AsyncIterator[pb.WatchEventsResponse]:
    """The events after the one named, and those to come if they are asked for."""
    task_id = request.task_id
    if task_id:
        task_id = await swarm.db.read(lambda tx: names.resolve(tx, request.task_id).task_id)
    with swarm.feed.reading(ReaderKind.EVENTS, request.after_seq) as reading:
        seq = request.after_seq
        while True:
            more = swarm.feed.next()
            read = partial(store_events.after, seq=seq, limit=PAGE, task_id=task_id)
            found = await swarm.db.read(read)
            if found:
                reading.seq = seq = found[-1].seq
                yield pb.WatchEventsResponse(events=[views.event(event) for event in found])
            if len(found) == PAGE:
                more.cancel()
            elif request.follow:
                await more
            else:
                more.cancel()
                return


async def log(swarm: Swarm, request: pb.TailLogRequest) -> AsyncIterator[pb.TailLogResponse]:
    """The log of a task's sessions, and what comes to it if that is asked for."""
    role = enums.SESSION_ROLE.optional(request.role, "role")
    key, task_id = await swarm.db.read(lambda tx: _named(tx, request.task_id))
    wanted = logs.Wanted(role, request.attempt, request.after_cursor, max(0, request.tail), PAGE)
    with swarm.feed.reading(ReaderKind.LOG):
        while True:
            more = swarm.feed.next(task_id)
            page = await swarm.db.read(partial(logs.page, key=key, wanted=wanted))
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
    task = names.resolve(tx, task_id)
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
