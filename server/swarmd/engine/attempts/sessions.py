"""Reports of sessions: starts that ask for the go, ends, and progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from swarmd.domain.landing import JUDGING, StartPoint
from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import (
    Lease,
    LeaseId,
    Order,
    OrderAction,
    Outcome,
    SessionRole,
    Usage,
    WorkerName,
)
from swarmd.domain.runner_kind import REHEARSAL_RUNNER
from swarmd.domain.session_grants import AnnouncedToken, SessionGrant
from swarmd.domain.session_ids import belongs_to
from swarmd.engine.attempts import leases, overspending
from swarmd.engine.live.state import LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.observer import Observer, seconds_since
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, events, sessions, swarm
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.sessions import LogEntry, LogLimits, SessionRecord
from swarmd.store.transaction import Tx


@dataclass(frozen=True, slots=True)
class SessionStart:
    """A request for the go of a session."""

    lease_id: str
    session_id: str
    role: SessionRole
    runner: str
    token: AnnouncedToken | None = None


@dataclass(frozen=True, slots=True)
class ChecksStart:
    """A request for the go of an attempt that starts with the checks, on work that is there."""

    lease_id: str


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """A report that a session has ended."""

    lease_id: str
    session_id: str
    exit_code: int | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """The outcome of an attempt, and the ends of its sessions that were not reported yet."""

    lease_id: str
    ends: Sequence[SessionEnd]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class SessionProgress:
    """New log entries and usage of one session."""

    lease_id: str
    session_id: str
    entries: Sequence[LogEntry]
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class FinishBatch:
    """The outcomes that a worker reports in one call, and the last progress of their sessions."""

    progress: Sequence[SessionProgress]
    # None for an attempt whose lease is unknown.
    attempts: Sequence[AttemptReport | None]


class Sessions:
    """The gate before every session, and the writer of session starts, ends and progress. Each method is one write."""

    def __init__(self, live: LiveState, wakeups: Wakeups, observer: Observer, limits: LogLimits) -> None:
        self._limits = limits
        self._live = live
        self._wakeups = wakeups
        self._observer = observer

    def record_many(
        self, tx: Tx, worker: WorkerName, records: Sequence[SessionStart | ChecksStart | SessionEnd]
    ) -> list[Order | None]:
        """Records starts and ends in their order; returns the go (None) or the order for each."""
        return [self._record(tx, worker, record) for record in records]

    def _record(
        self, tx: Tx, worker: WorkerName, record: SessionStart | ChecksStart | SessionEnd
    ) -> Order | None:
        if isinstance(record, SessionEnd):
            return self.record_end(tx, worker, record)
        if isinstance(record, ChecksStart):
            return self.record_checks(tx, worker, record)
        return self.record_start(tx, worker, record)

    def record_checks(self, tx: Tx, worker: WorkerName, start: ChecksStart) -> Order | None:
        """Gives an attempt that judges earlier work its go (None), or returns the order instead of it."""
        record = leases.find(tx, worker, start.lease_id)
        if record is None or record.outcome is not None or record.starts_at not in JUDGING:
            return leases.abandon_order(start.lease_id)
        if (order := _instead_of_go(tx, record, start.lease_id)) is not None:
            return order
        lease, task = record.lease, record.task
        if task.status is not TaskStatus.CLAIMED:
            return None  # asked again
        attempts.start(tx, lease)
        apply(
            tx,
            task,
            Transition.GO,
            EventKind.CHECKS_STARTED,
            worker=worker,
            detail=f"on the work of attempt {record.work_of}",
            started_us=tx.now_us,
        )
        waited_s = seconds_since(record.claimed_us, tx.now_us)
        tx.after_commit(partial(self._observer.started, waited_s))
        tx.after_commit(partial(self._live.start_lease, lease))
        return None

    def record_start(self, tx: Tx, worker: WorkerName, start: SessionStart) -> Order | None:
        """Gives the go (None) or returns the order instead of it. Asking again for a session gets the same answer."""
        record = leases.find(tx, worker, start.lease_id)
        if record is None or record.outcome is not None:
            return leases.abandon_order(start.lease_id)
        lease, task = record.lease, record.task
        if (order := _instead_of_go(tx, record, start.lease_id, role=start.role)) is not None:
            return order
        if (known := sessions.find(tx, start.session_id)) is not None:
            if known.attempt_key == lease.attempt_key:
                return None
            # Ids that follow the rule carry task, attempt and epoch, so one of the two workers is broken.
            if not belongs_to(start.session_id, lease):
                return leases.abandon_order(start.lease_id)
            sessions.rename(tx, known)
        self._store(tx, lease, start)
        started_us = task.started_us
        if task.status is TaskStatus.CLAIMED:
            started_us = tx.now_us
            attempts.start(tx, lease)
            waited_s = seconds_since(record.claimed_us, tx.now_us)
            tx.after_commit(partial(self._observer.started, waited_s))
        apply(
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

    def _store(self, tx: Tx, lease: Lease, start: SessionStart) -> None:
        """Stores a session that has its go, and lets it act by its token from the commit on."""
        if start.runner != REHEARSAL_RUNNER and not self._live.real_work:
            swarm.set_real_work(tx)  # before the deferred writes, which it would flush
            self._live.note_real_work()  # before the commit, so that a group of starts writes it once
        sessions.add(
            tx, lease, session_id=start.session_id, role=start.role, runner=start.runner, token=start.token
        )
        if start.token is not None:
            grant = SessionGrant(start.token, start.session_id, start.role, lease)
            tx.after_commit(partial(self._live.grants.give, grant))

    def record_end(self, tx: Tx, worker: WorkerName, end: SessionEnd) -> Order | None:
        """Stores the end of a session, also under a lease that has ended; returns an order if the lease has."""
        record, session = _find(tx, worker, end.lease_id, end.session_id)
        if record is None or session is None:
            return leases.abandon_order(end.lease_id)
        sessions.set_usage(tx, session.key, end.usage)
        overspending.stop_if_passed(tx, self._live, record)
        if session.ended_us is None:
            sessions.end(tx, session, exit_code=end.exit_code)
            tx.after_commit(partial(self._live.grants.end_grant, record.lease, end.session_id))
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
        return None if record.outcome is None else leases.abandon_order(end.lease_id)

    def record_progress(self, tx: Tx, worker: WorkerName, progress: SessionProgress) -> None:
        """Stores new entries and usage; ignores a session that is unknown."""
        record, session = _find(tx, worker, progress.lease_id, progress.session_id)
        if record is None or session is None:
            return
        if progress.usage is not None:
            sessions.set_usage(tx, session.key, progress.usage)
            overspending.stop_if_passed(tx, self._live, record)
        if progress.entries:
            sessions.append_log(tx, session.key, progress.entries, self._limits)
            tx.after_commit(partial(self._wakeups.notify, record.lease.task_id))


def _instead_of_go(
    tx: Tx, record: LeaseRecord, lease_id: str, *, role: SessionRole | None = None
) -> Order | None:
    """Returns the order for an open attempt whose session, or whose checks, may not start; None if they may."""
    if record.task.status is TaskStatus.KILLING:
        return leases.stop_order(tx, lease_id, record.task)
    if overspending.refuses_go(tx, record):
        return Order(LeaseId(lease_id), OrderAction.STOP, overspending.CAUSE)
    judges = record.starts_at is StartPoint.VALIDATOR and role is SessionRole.VALIDATOR
    if record.work_of and role is not None and not judges:
        # A worker that does not know such starts must not pay a builder.
        doing = "judges" if record.starts_at in JUDGING else "lands"
        return leases.abandon_order(lease_id, f"it {doing} the work of attempt {record.work_of}")
    return None


class _Found(NamedTuple):
    record: LeaseRecord | None
    session: SessionRecord | None


def _find(tx: Tx, worker: WorkerName, lease_id: str, session_id: str) -> _Found:
    """Finds the attempt of the lease, and its session of that id."""
    record = leases.find(tx, worker, lease_id)
    session = None if record is None else sessions.find(tx, session_id)
    if record is None or session is None or session.attempt_key != record.lease.attempt_key:
        return _Found(record, None)
    return _Found(record, session)
