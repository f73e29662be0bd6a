"""The frames of the live feed, each made once whoever looks: what there is, what changed, how it stands.

Made in a reader's thread from one moment of the database, as text that is ready to send.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from amplifier_swarm.documents.events import event_document
from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.documents.tasks import list_document, usage_document
from amplifier_swarm.documents.workers import workers_document
from swarmd.domain.model import TaskKey
from swarmd.store import events
from swarmd.store.events import Event, EventKind
from swarmd.store.reads import pages
from swarmd.store.transaction import ReadTx
from swarmd.web.http.responses import encode
from swarmd.wire import reads, values, views
from swarmd.wire.reads import Reads

# More at once than this is told as a new snapshot: to read it costs less than to follow it.
MAX_EVENTS: Final = 5_000
MAX_TASKS: Final = 2_000
SHOWN_EVENTS: Final = 200
SHOWN_RUNNING: Final = 1_000
SHOWN_ATTENTION: Final = 50
# A fleet larger than this is sent at most so often.
FEW_WORKERS: Final = 50
WORKERS_EVERY_S: Final = 1.0
# After these, what waits for the task waits for something else.
_ENDINGS: Final = frozenset(
    {
        EventKind.TASK_COMPLETED,
        EventKind.TASK_FAILED,
        EventKind.TASK_KILLED,
        EventKind.TASK_SKIPPED,
        EventKind.TASK_REVIVED,
        EventKind.TASK_REOPENED,
        EventKind.RESULT_ACCEPTED,
    }
)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What to read."""

    # From where those who follow must be led on; None if nobody does.
    base: int | None
    # The same of those who come back, and whether somebody begins.
    afters: Collection[int]
    snapshot: bool
    # The time, if a pulse is due.
    pulse_us: int | None


@dataclass(frozen=True, slots=True)
class FeedRead:
    """What was read at one moment."""

    seq: int
    # From where to here; None where it is too far, or where tasks were removed in between.
    deltas: dict[int, str | None] = field(default_factory=dict)
    snapshot: str = ""
    pulse: str = ""
    took_s: float = 0.0


class Frames:
    """Makes frames of one swarm. Used by one reading at a time."""

    def __init__(self, looking: Reads) -> None:
        self._looks = looking
        self._workers_sent_s = 0.0
        self._workers_changed = False

    def read(self, tx: ReadTx, wanted: ReadRequest) -> FeedRead:
        """The deltas, and a snapshot or a pulse where one is wanted or needed."""
        begun_s = time.monotonic()
        seq = events.last_seq(tx)
        deltas = {after: self._delta(tx, after, seq, whole=True) for after in wanted.afters}
        if wanted.base is not None and wanted.base != seq and wanted.base not in deltas:
            deltas[wanted.base] = self._delta(tx, wanted.base, seq, whole=False)
        needed = wanted.snapshot or None in deltas.values()
        idle = wanted.pulse_us is not None and wanted.base == seq
        return FeedRead(
            seq=seq,
            deltas=deltas,
            snapshot=self._snapshot(tx, seq) if needed else "",
            pulse=self._pulse(tx, wanted.pulse_us or 0) if idle else "",
            took_s=time.monotonic() - begun_s,
        )

    def _snapshot(self, tx: ReadTx, seq: int) -> str:
        return encode(
            {
                "type": "snapshot",
                "seq": seq,
                "status": swarm_document(self._looks.swarm_in(tx)),
                "workers": workers_document(self._looks.workers_in(tx)),
                "running": _tasks(tx, pages.held(tx, limit=SHOWN_RUNNING)),
                "attention": _tasks(tx, pages.failed(tx, limit=SHOWN_ATTENTION)),
            }
        )

    def _pulse(self, tx: ReadTx, now_us: int) -> str:
        used = pages.usage_of_held(tx, limit=SHOWN_RUNNING)
        self._workers_sent_s, self._workers_changed = time.monotonic(), False
        return encode(
            {
                "type": "pulse",
                "at": values.iso(now_us),
                "status": swarm_document(self._looks.swarm_in(tx)),
                "workers": workers_document(self._looks.workers_in(tx)),
                "usage": {task_id: usage_document(values.usage(usage)) for task_id, usage in used.items()},
            }
        )

    def _delta(self, tx: ReadTx, after: int, seq: int, *, whole: bool) -> str | None:
        if not seq - MAX_EVENTS <= after <= seq:
            return None
        found = events.after(tx, after, limit=MAX_EVENTS)
        # Which tasks were removed, nobody can tell any more.
        if any(event.kind is EventKind.TASKS_CLEARED for event in found):
            return None
        named = list(dict.fromkeys(event.task_id for event in found if event.task_id))
        keys = _keys(tx, named, found)
        if len(keys) > MAX_TASKS:
            return None
        tasks = _tasks(tx, keys)
        frame = {
            "type": "delta",
            "from": after,
            "to": seq,
            "events": [event_document(views.event(event)) for event in found[-SHOWN_EVENTS:]],
            "skipped": max(0, len(found) - SHOWN_EVENTS),
            "tasks": tasks,
            "removed": sorted(set(named) - {task["id"] for task in tasks}),
            "status": swarm_document(self._looks.swarm_in(tx)),
        }
        if whole:
            return encode(frame | {"workers": workers_document(self._looks.workers_in(tx))})
        return encode(frame | self._workers(tx, found))

    def _workers(self, tx: ReadTx, found: Sequence[Event]) -> dict[str, Any]:
        """All workers, if one may have changed and they are few or were not sent just now."""
        self._workers_changed = self._workers_changed or any(event.worker for event in found)
        if not self._workers_changed:
            return {}
        now_s = time.monotonic()
        workers = self._looks.workers_in(tx)
        if len(workers) > FEW_WORKERS and now_s - self._workers_sent_s < WORKERS_EVERY_S:
            return {}
        self._workers_sent_s, self._workers_changed = now_s, False
        return {"workers": workers_document(workers)}


def _keys(tx: ReadTx, named: Sequence[str], found: Sequence[Event]) -> Sequence[TaskKey]:
    """The tasks that changed: those of the events, and those that wait for one that has ended or begun anew."""
    ended = list(dict.fromkeys(event.task_id for event in found if event.kind in _ENDINGS))
    keys = [task.key for task in pages.matches_named(tx, named)]
    waiting = pages.waiting_for(tx, ended, limit=MAX_TASKS + 1)
    return list(dict.fromkeys([*keys, *waiting]))


def _tasks(tx: ReadTx, keys: Sequence[TaskKey]) -> list[Any]:
    documents: list[Any] = list_document(reads.tasks(tx, keys))
    return documents
