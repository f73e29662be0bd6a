"""The swarm and its workers as people see them: what is stored, with what is only known live."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarmd.domain.model import PausedRunner, SwarmState, WorkerIdentity
from swarmd.engine.live import Live
from swarmd.store import attempts, events, swarm, views, workers
from swarmd.store.transaction import ReadTx
from swarmd.store.views import Totals
from swarmd.store.workers import WorkerRecord


class WorkerStatus(StrEnum):
    """How it stands with a worker."""

    ONLINE = "online"
    DRAINING = "draining"
    SUSPECT = "suspect"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class SwarmView:
    """The swarm as a whole."""

    state: SwarmState
    totals: Totals
    done: bool
    workers: int
    slots: int
    last_seq: int
    paused_runners: Sequence[PausedRunner]
    started_us: int


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as the server knows it."""

    identity: WorkerIdentity
    status: WorkerStatus
    heard_us: int | None
    task_ids: Sequence[str]


def swarm_view(tx: ReadTx, live: Live, *, started_us: int) -> SwarmView:
    """The swarm as a whole, as of one moment."""
    members = [member for member in list(live.members.values()) if member.connected]
    return SwarmView(
        state=swarm.get(tx),
        totals=views.totals(tx),
        done=not swarm.has_open(tx),
        workers=len(members),
        slots=sum(member.identity.slots for member in members),
        last_seq=events.last_seq(tx),
        paused_runners=swarm.paused_runners(tx),
        started_us=started_us,
    )


def worker_views(tx: ReadTx, live: Live) -> Sequence[WorkerView]:
    """All workers that ever joined, by name."""
    return [_worker(tx, record, live) for record in workers.every(tx)]


def _worker(tx: ReadTx, record: WorkerRecord, live: Live) -> WorkerView:
    member = live.members.get(record.identity.name)
    return WorkerView(
        identity=record.identity,
        status=_status(record, live),
        heard_us=None if member is None else member.heard_us,
        task_ids=[lease.task_id for lease in attempts.open_of_worker(tx, record.key)],
    )


def _status(record: WorkerRecord, live: Live) -> WorkerStatus:
    if record.left:
        return WorkerStatus.GONE
    member = live.members.get(record.identity.name)
    # One that has not come back since the server started, or whose stream is broken.
    if member is None or member.suspect or not member.connected:
        return WorkerStatus.SUSPECT
    return WorkerStatus.DRAINING if member.draining or member.leaving else WorkerStatus.ONLINE
