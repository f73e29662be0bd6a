"""What workers report of their sessions: starts that ask for the go, ends, and progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import LeaseId, Order, OrderAction, SessionRole, SwarmMode, Task, Usage, WorkerName
from swarmd.engine.attempts import leases
from swarmd.engine.live.state import LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.observer import Observer, seconds_since
from swarmd.engine.tasks.transitions import change
from swarmd.store import attempts, events, sessions, swarm
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.sessions import LogEntry, LogLimits, SessionRecord
from swarmd.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class SessionStart:
    """Asks for the go."""

    lease_id: str
    session_id: str
    role: SessionRole
    runner: str


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """Says that a session has ended."""

    lease_id: str
    session_id: str
    exit_code: int | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class SessionProgress:
    """What is new about one session."""

    lease_id: str
    session_id: str
    entries: Sequence[LogEntry]
    usage: Usage | None


class Sessions:
    """The gate before every process, and what becomes of it. Each method is one write."""

    def __init__(self, live: LiveState, feed: Wakeups, observer: Observer, limits: LogLimits) -> None:
        self._limits = limits
        self._live = live
        self._feed = feed
        self._observer = observer

    def start(self, tx: Tx, worker: WorkerName, start: SessionStart) -> Order | None:
        """The go (None), or what to do instead. Asking again for the same session gets the same answer."""
        record = leases.find(tx, worker, start.lease_id)
        if record is None or record.outcome is not None:
            return leases.abandon(start.lease_id)
        lease, task = record.lease, record.task
        if task.status is TaskStatus.KILLING:
            return _stop(tx, start.lease_id, task)
        if (known := sessions.find(tx, start.session_id)) is not None:
            # Ids carry task, attempt and epoch: another attempt's can only come from a broken worker.
            return None if known.attempt_key == lease.attempt_key else leases.abandon(start.lease_id)
        sessions.add(tx, lease, session_id=start.session_id, role=start.role, runner=start.runner)
        started_us = task.started_us
        if task.status is TaskStatus.CLAIMED:
            started_us = tx.now_us
            attempts.start(tx, lease)
            waited_s = seconds_since(record.claimed_us, tx.now_us)
            tx.after_commit(partial(self._observer.started, waited_s))
        change(
            tx,
            task,
            Transition.GO,
            EventKind.SESSION_STARTED,
            worker=worker,
            session_id=start.session_id,
            detail=start.role,
            started_us=started_us,
        )
        tx.after_commit(partial(self._live.start_lease, lease))
        return None

    def end(self, tx: Tx, worker: WorkerName, end: SessionEnd) -> Order | None:
        """Stores the end; also under a lease that is lost meanwhile, for the record."""
        record, session = _find(tx, worker, end.lease_id, end.session_id)
        if record is None or session is None:
            return leases.abandon(end.lease_id)
        sessions.set_usage(tx, session.key, end.usage)
        if session.ended_us is None:
            sessions.end(tx, session, exit_code=end.exit_code)
            lasted_s = seconds_since(session.started_us, tx.now_us)
            tx.after_commit(partial(self._observer.session_ended, session.role, lasted_s))
            task = record.task
            events.append(
                tx,
                EventKind.SESSION_ENDED,
                task_id=task.task_id,
                status=task.status,
                attempt=record.lease.number,
                worker=worker,
                session_id=end.session_id,
                cause="" if end.exit_code is None else f"exit code {end.exit_code}",
            )
        return None if record.outcome is None else leases.abandon(end.lease_id)

    def report(self, tx: Tx, worker: WorkerName, progress: SessionProgress) -> None:
        """Stores what is new; of a session that is not known, nothing."""
        record, session = _find(tx, worker, progress.lease_id, progress.session_id)
        if record is None or session is None:
            return
        if progress.usage is not None:
            sessions.set_usage(tx, session.key, progress.usage)
        if progress.entries:
            sessions.append_log(tx, session.key, progress.entries, self._limits)
            tx.after_commit(partial(self._feed.wake, record.lease.task_id))


def _find(
    tx: Tx, worker: WorkerName, lease_id: str, session_id: str
) -> tuple[LeaseRecord | None, SessionRecord | None]:
    """What the lease points at, and the session of that id if it belongs to it."""
    record = leases.find(tx, worker, lease_id)
    session = None if record is None else sessions.find(tx, session_id)
    if record is None or session is None or session.attempt_key != record.lease.attempt_key:
        return record, None
    return record, session


def _stop(tx: Tx, lease_id: str, task: Task) -> Order:
    stopped = swarm.get(tx).mode is SwarmMode.STOPPED
    return Order(LeaseId(lease_id), OrderAction.STOP_NOW if stopped else OrderAction.STOP, task.cause)
