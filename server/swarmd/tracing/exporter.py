"""Follows the events for attempts that end, and makes their spans.

The rule: a trace is worth nothing that a swarm needs. Nothing waits for it, and what happened while no server
ran, or in the moment of a crash, has none.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from amplifier_swarm import __version__, tracing
from swarmd.engine.swarm import Swarm
from swarmd.store import attempts, events
from swarmd.store.attempts import EndedAttempt
from swarmd.store.events import Event, EventKind
from swarmd.store.transaction import ReadTx

if TYPE_CHECKING:
    from swarmd.tracing.spans import Spans

PAGE: Final = 500
_ENDS: Final = frozenset(
    {
        EventKind.TASK_COMPLETED,
        EventKind.TASK_RETRYING,
        EventKind.TASK_FAILED,
        EventKind.TASK_KILLED,
        EventKind.TASK_RELEASED,
    }
)

_log = structlog.get_logger("swarmd.tracing")


@contextlib.asynccontextmanager
async def traced(swarm: Swarm) -> AsyncIterator[None]:
    """Traces the attempts for as long as the block lasts, if the environment asks for it."""
    if not tracing.wanted():
        yield
        return
    from swarmd.tracing.spans import PresetIds, Spans  # noqa: PLC0415  # an extra

    ids = PresetIds()
    provider = tracing.provider("swarmd", instance=socket.gethostname(), version=__version__, ids=ids)
    swarm.traced = True
    following = asyncio.create_task(
        follow(swarm, Spans(provider, ids, swarm_id=swarm.swarm_id), await swarm.db.read(events.last_seq))
    )
    try:
        yield
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        await asyncio.to_thread(tracing.close, provider)


async def follow(swarm: Swarm, spans: "Spans", seq: int) -> None:
    """Makes the spans of what ends after that event, for ever."""
    while True:
        more = swarm.wakeups.wait_next()
        try:
            seq, ended, full = await swarm.db.read(partial(_read, seq=seq))
            for attempt in ended:
                spans.record(attempt)
        except Exception:  # noqa: BLE001  # one bad round must not end the traces for good
            _log.exception("traces of some attempts are lost")
            full = False
        if full:
            more.cancel()
        else:
            await more


def _read(tx: ReadTx, *, seq: int) -> tuple[int, Sequence[EndedAttempt], bool]:
    found = events.after(tx, seq, limit=PAGE)
    last = found[-1].seq if found else seq
    return last, list(_ended(tx, found)), len(found) == PAGE


def _ended(tx: ReadTx, found: Sequence[Event]) -> Iterator[EndedAttempt]:
    for event in found:
        if event.kind in _ENDS and event.attempt:
            attempt = attempts.ended(tx, event.task_id, event.attempt)
            # A waiting task that is killed names an attempt that ended long ago.
            if attempt is not None and attempt.ended_us == event.happened_us:
                yield attempt
