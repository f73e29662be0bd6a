"""Audit at the end of a run: the database against its own events and against the ledger of processes."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from sim import approvals
from sim.machine import Ledger
from sim.operators import Acknowledged
from sim.world import Violated
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.landing import SESSIONLESS, StartPoint
from swarmd.domain.lifecycle import DEAD, FINAL, LEASED, TRANSITIONS, TaskStatus
from swarmd.domain.model import AttemptOutcome, FailureClass, OutcomeKind, SessionRole, Task, TaskKey
from swarmd.domain.policy import FINAL_FAILURES, LANDING_FAILURES, MAX_LOSSES
from swarmd.store import events, tasks
from swarmd.store.events import ENDS_ATTEMPT, Event, EventKind
from swarmd.store.reads import views
from swarmd.store.reads.views import AttemptView
from swarmd.store.transaction import ReadTx
from swarmd.wire.outcomes import read_report

_STARTS = (EventKind.TASK_CLAIMED, EventKind.SESSION_STARTED)
_REFUND = re.compile(r"put back at no cost, and (\d+) before")
# Each of these completes a task.
_COMPLETIONS = (EventKind.TASK_COMPLETED, EventKind.RESULT_ACCEPTED, EventKind.LANDING_WITHDRAWN)
# Failures that use up nothing of the task's own budget.
_FREE = (
    FailureClass.PROVIDER_LIMITED,
    FailureClass.PROVIDER_DENIED,
    FailureClass.BAD_CONFIG,
    FailureClass.INTERRUPTED,
    *LANDING_FAILURES,
    *FINAL_FAILURES,
)


def _reachable(status: TaskStatus) -> set[TaskStatus]:
    """Returns the statuses after one event: those of a row, and then a change between those that have not started.

    A task that waits for the approval of its start is held as soon as it could start.
    """
    after = set(TRANSITIONS[status].values())
    if after & {TaskStatus.BLOCKED, TaskStatus.NOT_STARTED}:
        after |= {TaskStatus.BLOCKED, TaskStatus.NOT_STARTED, TaskStatus.HELD}
    return after


_AFTER = {status: _reachable(status) for status in TaskStatus}


def audit(tx: ReadTx, ledger: Ledger, acknowledged: Acknowledged) -> Counter[str]:
    """Checks the whole database; returns how often each kind of event happened.

    Raises:
        Violated: the first promise that is broken.
    """
    history = events.after(tx, 0, limit=10_000_000)
    _gap_free(history)
    stored = {task_id: tasks.get(tx, key) for task_id, (key, _) in tasks.states(tx).items()}
    _replayed(history, stored)
    refuse_overfull(tx)
    _held_well(tx, acknowledged)
    _nothing_begins_while_stopped(history)
    _paused_runners_start_probes_alone(history)
    _kills_win(history, acknowledged)
    by_task: defaultdict[str, list[Event]] = defaultdict(list)
    for event in history:
        by_task[event.task_id].append(event)
    known: set[str] = set()
    for task_id, task in stored.items():
        attempts = views.attempts(tx, task.key)
        _counted(task, attempts, by_task[task_id])
        _ended_well(task, attempts, by_task[task_id])
        _kept(task, attempts, by_task[task_id])
        approvals.audit(tx, task, attempts, by_task[task_id])
        _truly_completed(task, attempts, ledger)
        known.update(session.session_id for attempt in attempts for session in attempt.sessions)
    without = [session_id for session_id in ledger.started if session_id not in known]
    _refuse(without, "a process ran without a go")
    return Counter(event.kind.value for event in history)


_NAMES = """
SELECT n.name, n.capacity, n.held, n.waiting,
       (SELECT count(*) FROM held_names h JOIN attempts a ON a.key = h.attempt_key
         WHERE h.name_key = n.key AND a.outcome IS NULL),
       (SELECT count(*) FROM tasks t WHERE t.ready = 1 AND t.wait_key = n.key)
  FROM exclusive_names n
"""


def refuse_overfull(tx: ReadTx) -> None:
    """Checks that each exclusive name is held by open attempts alone, and by no more than may share it.

    Raises:
        Violated: the store counts something else than what is there, or too many hold a name.
    """
    for name, capacity, held, waiting, holders, waiters in tx._connection.execute(_NAMES):
        if held != holders or waiting != waiters:
            raise Violated(
                f"{name} counts {held} holders, {waiting} waiting; there are {holders} and {waiters}"
            )
        if held > capacity:
            raise Violated(f"{held} attempts hold {name}, which {capacity} may share")


_HOLDS = """
SELECT t.task_id, t.status, h.epoch || '-' || h.key, h.ended_us IS NULL,
       (h.answer <> '' OR h.approved) AND h.ended_us > h.since_us
  FROM holds h JOIN tasks t ON t.key = h.task_key ORDER BY h.key
"""


def _held_well(tx: ReadTx, acknowledged: Acknowledged) -> None:
    """Checks that a task has a lasting hold exactly while it is held, and that no answer ended another hold."""
    lasting = set()
    for task_id, status, hold_id, lasts, is_answered in tx._connection.execute(_HOLDS):
        if lasts:
            lasting.add(task_id)
            if status != TaskStatus.HELD:
                raise Violated(f"{task_id} is {status} and hold {hold_id} of it lasts")
        elif is_answered and hold_id not in acknowledged.settled:
            raise Violated(f"hold {hold_id} of {task_id} was ended by the answer to another one")
    _refuse(
        [task.task_id for task in tasks.with_status(tx, TaskStatus.HELD) if task.task_id not in lasting],
        "a held task waits for nothing",
    )


def settled(tx: ReadTx) -> None:
    """Checks that each task is final or waits for a dead dependency.

    Raises:
        Violated: a task for which nothing will happen any more.
    """
    for task_id, (key, status) in tasks.states(tx).items():
        if status in (*FINAL, TaskStatus.HELD) or (status is TaskStatus.BLOCKED and _has_reason(tx, key)):
            continue
        raise Violated(f"task {task_id} is {status} and nothing will ever happen to it")


def _has_reason(tx: ReadTx, key: TaskKey) -> bool:
    """Returns whether the task waits, at the end of the chain, for a dead task."""
    return any(
        status in (*DEAD, TaskStatus.BLOCKED, TaskStatus.HELD)
        for _, status in tasks.unmet_dependencies(tx, key)
    )


def _gap_free(history: Sequence[Event]) -> None:
    numbers = [event.seq for event in history]
    if numbers != list(range(1, len(numbers) + 1)):
        raise Violated("the events have a gap")


def _replayed(history: Sequence[Event], stored: dict[str, Task]) -> None:
    """Checks that each event follows from the one before by the table, and that the last events match the store."""
    status: dict[str, TaskStatus] = {}
    for event in history:
        if not event.task_id or not event.status:
            continue
        before, now = status.get(event.task_id), TaskStatus(event.status)
        if before is not None and now is not before and now not in _AFTER[before]:
            raise Violated(f"event {event.seq}: {event.task_id} was {before} and is {now}; no row says so")
        status[event.task_id] = now
    for task_id, task in stored.items():
        if status[task_id] is not task.status:
            raise Violated(f"events say that {task_id} is {status[task_id]}; it is {task.status}")


def _nothing_begins_while_stopped(history: Sequence[Event]) -> None:
    stopped = False
    for event in history:
        if event.kind in (EventKind.SWARM_STOPPED, EventKind.SWARM_RESUMED):
            stopped = event.kind is EventKind.SWARM_STOPPED
        elif stopped and event.kind in _STARTS:
            raise Violated(
                f"event {event.seq}: {event.kind} of {event.task_id} while an emergency stop holds"
            )


def _paused_runners_start_probes_alone(history: Sequence[Event]) -> None:
    """Checks that a paused runner is given nothing but a probe, and no second one beside it.

    All workers have one runner. The place of a pause names its worker, or none if it is everywhere.
    """
    paused: dict[str, str] = {}
    probes: dict[str, str] = {}
    for number, event in enumerate(history):
        place = event.cause.partition(": ")[0]
        if event.kind is EventKind.RUNNER_PAUSED:
            paused[place] = place.partition(" at worker ")[2]
        elif event.kind is EventKind.RUNNER_RESUMED:
            paused.pop(place, None)
            probes.pop(event.worker, None)
        elif event.kind is EventKind.TASK_CLAIMED and {"", event.worker} & set(paused.values()):
            if not _is_probed(event, history[number + 1 : number + 4]):
                raise Violated(f"event {event.seq}: {event.task_id} is claimed by a paused runner")
            if (other := probes.get(event.worker)) is not None:
                raise Violated(f"event {event.seq}: {event.task_id} is tried beside {other}")
            probes[event.worker] = event.task_id
        elif event.kind in ENDS_ATTEMPT and probes.get(event.worker) == event.task_id:
            del probes[event.worker]


def _is_probed(claim: Event, following: Sequence[Event]) -> bool:
    return any(e.kind is EventKind.RUNNER_PROBED and e.task_id == claim.task_id for e in following)


def _kills_win(history: Sequence[Event], acknowledged: Acknowledged) -> None:
    for event in history:
        since = acknowledged.killed.get(event.task_id)
        if since is None or event.seq <= since or not event.status:
            continue
        if event.status not in (TaskStatus.KILLING, TaskStatus.KILLED):
            raise Violated(f"event {event.seq}: {event.task_id} was killed for good, and is {event.status}")


def _counted(task: Task, attempts: Sequence[AttemptView], history: Sequence[Event]) -> None:
    """Checks that counters change only by their cause, and restart only when a task is reopened."""
    failures = losses = 0
    for event in history:
        to_land = event.kind is EventKind.TASK_APPROVED and "to land" in event.cause
        if to_land or event.kind in (EventKind.TASK_REOPENED, EventKind.TASK_REJECTED):
            failures = losses = 0
        elif event.kind is EventKind.TASK_RESTORED:
            failures -= int(event.cause.partition(" ")[0])
        elif event.cause.startswith("put back at no cost"):
            failures -= int(found[1] if (found := _REFUND.match(event.cause)) else 0)
        elif event.kind in (EventKind.TASK_RETRYING, EventKind.TASK_FAILED):
            failure = event.cause.partition(":")[0]
            if event.kind is EventKind.TASK_RETRYING and failure in FINAL_FAILURES:
                raise Violated(
                    f"event {event.seq}: {task.task_id} is retried after {failure}, which pays its builder again"
                )
            losses += failure == FailureClass.WORKER_LOST
            failures += failure not in (FailureClass.WORKER_LOST, *_FREE)
    if (task.failures, task.losses) != (failures, losses):
        counted = (task.failures, task.losses)
        raise Violated(
            f"{task.task_id} counts (failures, losses) {counted}; its events say {(failures, losses)}"
        )
    if task.failures > task.max_retries + 1 or task.losses > MAX_LOSSES + 1:
        raise Violated(f"{task.task_id} was tried beyond its budget: {task.failures} and {task.losses}")
    numbers = [attempt.number for attempt in attempts]
    if numbers != list(range(1, task.attempt + 1)):
        raise Violated(f"{task.task_id} has the attempts {numbers} and counts {task.attempt}")


def _ended_well(task: Task, attempts: Sequence[AttemptView], history: list[Event]) -> None:
    found = list(attempts)
    completed = [attempt.number for attempt in found if attempt.outcome is AttemptOutcome.COMPLETED]
    ends = orders = waits = 0
    for event in history:
        orders += event.kind in (EventKind.TASK_REOPENED, EventKind.TASK_REJECTED) and ends > orders
        ends += event.kind in _COMPLETIONS or approvals.completes(event)
        waits += approvals.asks_about_work(event)
    if ends - orders != (task.status is TaskStatus.COMPLETED) or len(completed) > 1 + orders + waits:
        raise Violated(
            f"{task.task_id} is {task.status}, completed {ends} times, by attempts {completed}, and {orders} times"
            " ordered to land"
        )
    still_open = [attempt.number for attempt in found if attempt.outcome is None]
    if len(still_open) != (task.status in LEASED):
        raise Violated(f"{task.task_id} is {task.status} with open attempts {still_open}")


def _kept(task: Task, attempts: Sequence[AttemptView], history: list[Event]) -> None:
    """Checks that accepted work which is to land is not built again, unless a landing left findings, and not lost."""
    lands = False
    for event in history:
        failure = event.cause.partition(":")[0]
        if event.kind in (EventKind.TASK_REOPENED, EventKind.TASK_APPROVED):
            lands = lands or "to land" in event.cause
        elif event.kind in _COMPLETIONS or failure in (*LANDING_FAILURES, FailureClass.WORK_MISSING):
            lands = False
        elif event.kind is EventKind.SESSION_STARTED and lands:
            raise Violated(f"event {event.seq}: {task.task_id} was accepted, and a session works on it again")
    for attempt in attempts:
        if attempt.starts_at in SESSIONLESS and attempt.sessions:
            raise Violated(
                f"{task.task_id}, attempt {attempt.number}, lands or checks work, and has sessions"
            )
        _judged(task, attempt)
    accepted = {a.number for a in attempts if a.outcome is AttemptOutcome.COMPLETED}
    missing = (
        attempts
        and attempts[-1].failure_class is FailureClass.WORK_MISSING
        and attempts[-1].work_of in accepted
    )
    # Work that was approved and is gone is built again: the task was never completed.
    if (
        missing
        and task.status is not TaskStatus.COMPLETED
        and task.approve is not ApprovalPoint.BEFORE_LANDING
    ):
        raise Violated(f"the kept work of {task.task_id} is gone, and the task is {task.status}")


def _judged(task: Task, attempt: AttemptView) -> None:
    """Checks that an attempt which judges earlier work has no builder, and completes by its verdict or a landing."""
    if attempt.starts_at is not StartPoint.VALIDATOR:
        return
    name = f"{task.task_id}, attempt {attempt.number}, judges earlier work,"
    if any(session.role is SessionRole.BUILDER for session in attempt.sessions):
        raise Violated(f"{name} and has a builder")
    report = read_report(attempt.report)
    proven = report.verdict.passed or report.landing.found
    if attempt.outcome is AttemptOutcome.COMPLETED and not proven:
        raise Violated(f"{name} and completes without a verdict")


def _truly_completed(task: Task, attempts: Sequence[AttemptView], ledger: Ledger) -> None:
    """Checks that a completed attempt was completed by a worker, and that no completed result is lost."""
    for attempt in attempts:
        name = (str(task.task_id), attempt.number)
        counts = attempt.outcome is AttemptOutcome.COMPLETED
        if counts and name not in ledger.completed:
            raise Violated(f"{name} counts as completed, by the result of another attempt")
        archived = any(late.kind is OutcomeKind.COMPLETED for late in attempt.late_results)
        if (task.key, attempt.number) in ledger.kept and not (counts or archived):
            raise Violated(f"{name} was completed and its result was kept, and the server has it nowhere")


def _refuse(found: list[str], what: str) -> None:
    if found:
        raise Violated(f"{what}: {found[0]}")
