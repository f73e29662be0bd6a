"""The exporter of traces: it follows the events and makes the spans of attempts that end.

Invariant: nothing in the swarm waits for a trace. Attempts that end while no server runs, or at a crash, have none.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from amplifier_swarm import __version__, tracing
from amplifier_swarm.background import in_background
from amplifier_swarm.host import host_name
from swarmd.engine.swarm import Swarm
from swarmd.store import attempts, events
from swarmd.store.attempts import EndedAttempt
from swarmd.store.events import ENDS_ATTEMPT, Event
from swarmd.store.transaction import ReadTx

if TYPE_CHECKING:
    from swarmd.tracing.spans import Spans

PAGE: Final = 500

_log = structlog.get_logger("swarmd.tracing")


@contextlib.asynccontextmanager
async def run_trace_exporter(swarm: Swarm) -> AsyncIterator[None]:
    """Exports traces while the block runs, if the environment configures an exporter."""
    if not tracing.wanted():
        yield
        return
    from swarmd.tracing.spans import PresetIds, Spans  # noqa: PLC0415  # an extra

    ids = PresetIds()
    provider = tracing.provider("swarmd", instance=host_name(), version=__version__, ids=ids)
    swarm.traced = True
    spans = Spans(provider, ids, swarm_id=swarm.swarm_id)
    exporting = export_spans(swarm, spans, await swarm.db.read(events.last_seq))
    try:
        async with in_background(exporting):
            yield
    finally:
        await asyncio.to_thread(tracing.close, provider)


async def export_spans(swarm: Swarm, spans: "Spans", seq: int) -> None:
    """Makes the spans of attempts that end after event `seq`; runs until it is cancelled."""
    while True:
        more = swarm.wakeups.wait_next()
        try:
            page = await swarm.db.read(partial(_read, seq=seq))
            seq, full = page.last_seq, page.full
            for attempt in page.ended:
                spans.record(attempt)
        except Exception:  # noqa: BLE001  # one failed page must not end the traces for good
            _log.exception("traces of some attempts are lost")
            full = False
        if full:
            more.cancel()
        else:
            await more


class _AttemptPage(NamedTuple):
    ended: Sequence[EndedAttempt]
    last_seq: int
    # Set if more events follow.
    full: bool


def _read(tx: ReadTx, *, seq: int) -> _AttemptPage:
    found = events.after(tx, seq, limit=PAGE)
    last_seq = found[-1].seq if found else seq
    return _AttemptPage(list(_ended(tx, found)), last_seq, len(found) == PAGE)


def _ended(tx: ReadTx, found: Sequence[Event]) -> Iterator[EndedAttempt]:
    for event in found:
        if event.kind in ENDS_ATTEMPT and event.attempt:
            attempt = attempts.ended(tx, event.task_id, event.attempt)
            # The kill of a waiting task names its last attempt, which ended long ago.
            if attempt is not None and attempt.ended_us == event.happened_us:
                yield attempt
