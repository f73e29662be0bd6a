"""The frames of the live feed: snapshot, delta and keepalive ("pulse"), each built once for all subscribers.

A reader's thread builds frames from one snapshot of the database, as text that is ready to send.
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
from swarmd.store.events import CHANGES_DEPENDENTS, Event, EventKind
from swarmd.store.reads import pages
from swarmd.store.transaction import ReadTx
from swarmd.web.http.responses import encode
from swarmd.wire import reads, values, views
from swarmd.wire.reads import Reads

# More changes than this become a new snapshot: reading the snapshot costs less than the delta.
MAX_EVENTS: Final = 5_000
MAX_TASKS: Final = 2_000
SHOWN_EVENTS: Final = 200
SHOWN_RUNNING: Final = 1_000
SHOWN_ATTENTION: Final = 50
# A fleet larger than FEW_WORKERS is sent at most once in WORKERS_EVERY_S.
FEW_WORKERS: Final = 50
WORKERS_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The frames that a poll needs."""

    # The last event that live subscribers have; None if there are none.
    base: int | None
    # The last events of subscribers that resume.
    resume_points: Collection[int]
    # Set if a subscriber begins without one.
    snapshot: bool
    # The time in microseconds since 1970, if a keepalive is due.
    keepalive_us: int | None


@dataclass(frozen=True, slots=True)
class FeedRead:
    """The frames of one moment."""

    seq: int
    # By the event after which each begins; None if too much has changed since, or tasks were removed.
    deltas: dict[int, str | None] = field(default_factory=dict)
    snapshot: str = ""
    keepalive: str = ""
    took_s: float = 0.0


class Frames:
    """The builder of one swarm's frames; not thread-safe, one read at a time."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._workers_sent_s = 0.0
        self._workers_changed = False

    def read(self, tx: ReadTx, wanted: ReadRequest) -> FeedRead:
        """Builds the deltas, and a snapshot or a keepalive if one is asked for or needed."""
        started_s = time.monotonic()
        seq = events.last_seq(tx)
        deltas = {after: self._delta(tx, after, seq, whole=True) for after in wanted.resume_points}
        if wanted.base is not None and wanted.base != seq and wanted.base not in deltas:
            deltas[wanted.base] = self._delta(tx, wanted.base, seq, whole=False)
        needed = wanted.snapshot or None in deltas.values()
        idle = wanted.keepalive_us is not None and wanted.base == seq
        return FeedRead(
            seq=seq,
            deltas=deltas,
            snapshot=self._snapshot(tx, seq) if needed else "",
            keepalive=self._keepalive(tx, wanted.keepalive_us or 0) if idle else "",
            took_s=time.monotonic() - started_s,
        )

    def _snapshot(self, tx: ReadTx, seq: int) -> str:
        return encode(
            {
                "type": "snapshot",
                "seq": seq,
                "status": swarm_document(self._reads.swarm_in(tx)),
                "workers": workers_document(self._reads.workers_in(tx)),
                "running": _tasks(tx, pages.held(tx, limit=SHOWN_RUNNING)),
                "attention": _tasks(tx, pages.failed(tx, limit=SHOWN_ATTENTION)),
            }
        )

    def _keepalive(self, tx: ReadTx, now_us: int) -> str:
        used = pages.usage_of_held(tx, limit=SHOWN_RUNNING)
        self._workers_sent_s, self._workers_changed = time.monotonic(), False
        return encode(
            {
                "type": "pulse",
                "at": values.iso(now_us),
                "status": swarm_document(self._reads.swarm_in(tx)),
                "workers": workers_document(self._reads.workers_in(tx)),
                "usage": {task_id: usage_document(values.usage(usage)) for task_id, usage in used.items()},
            }
        )

    def _delta(self, tx: ReadTx, after: int, seq: int, *, whole: bool) -> str | None:
        if not seq - MAX_EVENTS <= after <= seq:
            return None
        found = events.after(tx, after, limit=MAX_EVENTS)
        # Nothing records which tasks were removed.
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
            "status": swarm_document(self._reads.swarm_in(tx)),
        }
        if whole:
            return encode(frame | {"workers": workers_document(self._reads.workers_in(tx))})
        return encode(frame | self._workers(tx, found))

    def _workers(self, tx: ReadTx, found: Sequence[Event]) -> dict[str, Any]:
        """Returns all workers if one may have changed, at a limited rate for a large fleet."""
        self._workers_changed = self._workers_changed or any(event.worker for event in found)
        if not self._workers_changed:
            return {}
        now_s = time.monotonic()
        workers = self._reads.workers_in(tx)
        if len(workers) > FEW_WORKERS and now_s - self._workers_sent_s < WORKERS_EVERY_S:
            return {}
        self._workers_sent_s, self._workers_changed = now_s, False
        return {"workers": workers_document(workers)}


def _keys(tx: ReadTx, named: Sequence[str], found: Sequence[Event]) -> Sequence[TaskKey]:
    """Returns the tasks that changed: the tasks of the events, and their dependents if the end or revival counts."""
    ended = list(dict.fromkeys(event.task_id for event in found if event.kind in CHANGES_DEPENDENTS))
    keys = [task.key for task in pages.matches_named(tx, named)]
    waiting = pages.waiting_for(tx, ended, limit=MAX_TASKS + 1)
    return list(dict.fromkeys([*keys, *waiting]))


def _tasks(tx: ReadTx, keys: Sequence[TaskKey]) -> list[Any]:
    documents: list[Any] = list_document(reads.tasks(tx, keys))
    return documents
