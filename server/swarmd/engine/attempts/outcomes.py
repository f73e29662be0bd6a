"""How attempts end: by the worker's outcome, by the loss of the worker, or by giving the claim back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from swarmd.domain.lifecycle import TaskStatus, Transition
from swarmd.domain.model import (
    AttemptOutcome,
    Disposition,
    FailureClass,
    Lease,
    OrderAction,
    Outcome,
    OutcomeKind,
    Task,
    WorkerName,
)
from swarmd.domain.policy import Backoff, decide_retry, repeated_findings
from swarmd.engine.attempts import leases
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.retry_timers import RetryTimers
from swarmd.engine.live.state import LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.ports import Entropy
from swarmd.engine.tasks import late_results
from swarmd.engine.tasks.transitions import change
from swarmd.store import attempts, events, swarm, workers
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# A claim that was given back waits this long, so that a worker that can't start it doesn't spin.
DECLINED_BACKOFF_S: Final = 5.0
_RESULTS: Final = (OutcomeKind.COMPLETED, OutcomeKind.FAILED)
_NO_FAILURE: Final[dict[str, Any]] = {"last_error": "", "failure_class": None}


@dataclass(frozen=True, slots=True)
class FinishResult:
    """What became of an outcome; no status if the task is gone."""

    disposition: Disposition
    status: TaskStatus | None


class Outcomes:
    """Ends attempts. Each public method is one write, and harmless when the attempt has ended already."""

    def __init__(
        self,
        *,
        live: LiveState,
        dispatcher: Dispatcher,
        backoffs: RetryTimers,
        feed: Wakeups,
        entropy: Entropy,
        backoff: Backoff,
    ) -> None:
        self._live = live
        self._dispatcher = dispatcher
        self._backoffs = backoffs
        self._feed = feed
        self._entropy = entropy
        self._backoff = backoff

    def finish(self, tx: Tx, worker: WorkerName, lease_id: str, outcome: Outcome) -> FinishResult:
        """Ends the attempt by its outcome, or archives an outcome that comes too late."""
        record = leases.find(tx, worker, lease_id)
        if record is None:
            return FinishResult(Disposition.UNKNOWN, None)
        lease, task = record.lease, record.task
        if record.outcome is not None:
            return self._late(tx, record, outcome)
        kind = outcome.kind
        archived = False
        if task.status is TaskStatus.KILLING:
            archived = kind in _RESULTS
            task = self._killed(tx, lease, task, outcome)
        elif task.status is TaskStatus.CLAIMED:
            # No session ever had a go, whatever the outcome says.
            task = self.release(tx, lease, task, cause=outcome.error or kind, backoff_s=DECLINED_BACKOFF_S)
        elif kind is OutcomeKind.COMPLETED:
            attempts.end(tx, lease, AttemptOutcome.COMPLETED, reported=outcome)
            task = change(
                tx, task, Transition.COMPLETE, EventKind.TASK_COMPLETED, worker=worker, **_NO_FAILURE
            )
        else:
            task = self._failed(tx, lease, task, outcome)
        self._ended(tx, lease, task)
        return FinishResult(Disposition.ARCHIVED if archived else Disposition.ACCEPTED, task.status)

    def lose(self, tx: Tx, lease: Lease, *, cause: str) -> None:
        """Ends an attempt whose worker is gone for certain; nothing if it has ended meanwhile."""
        record = attempts.find(tx, lease.task_key, lease.number)
        if record is None or record.outcome is not None:
            return
        task = record.task
        if task.status is TaskStatus.CLAIMED:
            task = self.release(tx, lease, task, cause=cause)
        elif task.status is TaskStatus.KILLING:
            attempts.end(tx, lease, AttemptOutcome.KILLED, error=cause)
            task = self._proven_dead(tx, lease, task)
        else:
            attempts.end(
                tx,
                lease,
                AttemptOutcome.LOST,
                failure_class=FailureClass.WORKER_LOST,
                error=cause,
            )
            task = self._judge(tx, lease, task, FailureClass.WORKER_LOST, error=cause)
        self._ended(tx, lease, task, order=OrderAction.ABANDON, cause=cause)

    def release(self, tx: Tx, lease: Lease, task: Task, *, cause: str, backoff_s: float = 0.0) -> Task:
        """Gives a claim back, free of charge; the caller tells the worker if it must."""
        attempts.end(tx, lease, AttemptOutcome.RELEASED, error=cause)
        task = change(
            tx,
            task,
            Transition.RELEASE,
            EventKind.TASK_RELEASED,
            worker=lease.worker,
            detail=cause,
            backoff_s=backoff_s,
        )
        if backoff_s:
            self._backoffs.begin(tx, task)
        return task

    def give_back(self, tx: Tx, lease: Lease, *, cause: str) -> bool:
        """Releases a claim that never reached its worker; False if that is not so any more."""
        record = attempts.find(tx, lease.task_key, lease.number)
        if record is None or record.outcome is not None:
            return False
        task = record.task
        if task.status is not TaskStatus.CLAIMED:
            return False
        task = self.release(tx, lease, task, cause=cause)
        self._ended(tx, lease, task, order=OrderAction.ABANDON, cause=cause)
        return True

    def _failed(self, tx: Tx, lease: Lease, task: Task, outcome: Outcome) -> Task:
        # A worker that ended the sessions without an order from here was going down itself.
        stopped = outcome.kind is not OutcomeKind.FAILED
        failure = FailureClass.WORKER_LOST if stopped else outcome.failure_class or FailureClass.AGENT_ERROR
        error = outcome.error or ("the worker ended the session" if stopped else failure)
        attempts.end(tx, lease, AttemptOutcome.FAILED, failure_class=failure, error=error, reported=outcome)
        if failure is FailureClass.PROVIDER_DENIED:
            self._pause_runner(tx, lease, error)
        elif failure is FailureClass.VALIDATION_FAILED and (stuck := _stuck(tx, task)):
            return self._give_up(tx, lease, task, f"{', '.join(stuck)} came back unchanged twice: {error}")
        return self._judge(tx, lease, task, failure, error=error, retry_after_s=outcome.retry_after_s)

    def _pause_runner(self, tx: Tx, lease: Lease, error: str) -> None:
        record = workers.find(tx, lease.worker)
        assert record is not None
        runner = record.identity.runner
        if swarm.pause_runner(tx, runner, cause=error):
            cause = f"{runner}: {error}"
            events.append(
                tx, EventKind.RUNNER_PAUSED, task_id=lease.task_id, worker=lease.worker, cause=cause
            )

    def _give_up(self, tx: Tx, lease: Lease, task: Task, error: str) -> Task:
        """Ends a task whose budget is not used up, since more attempts would only cost more."""
        return change(
            tx,
            task,
            Transition.GIVE_UP,
            EventKind.TASK_FAILED,
            worker=lease.worker,
            detail=error,
            failures=task.failures + 1,
            last_error=error,
            failure_class=FailureClass.VALIDATION_FAILED,
        )

    def _judge(
        self,
        tx: Tx,
        lease: Lease,
        task: Task,
        failure: FailureClass,
        *,
        error: str,
        retry_after_s: float | None = None,
    ) -> Task:
        verdict = decide_retry(
            task,
            failure,
            backoff=self._backoff,
            chance=self._entropy.chance(),
            retry_after_s=retry_after_s,
        )
        task = change(
            tx,
            task,
            Transition.RETRY if verdict.retry else Transition.GIVE_UP,
            EventKind.TASK_RETRYING if verdict.retry else EventKind.TASK_FAILED,
            worker=lease.worker,
            detail=f"{failure}: {error}",
            failures=verdict.failures,
            losses=verdict.losses,
            last_error=error,
            failure_class=failure,
            backoff_s=verdict.backoff_s if verdict.retry else 0.0,
        )
        if verdict.retry:
            self._backoffs.begin(tx, task)
        return task

    def _killed(self, tx: Tx, lease: Lease, task: Task, outcome: Outcome) -> Task:
        """A kill wins over a result that comes later; the result is kept."""
        attempts.end(tx, lease, AttemptOutcome.KILLED, error=task.cause, reported=outcome)
        if outcome.kind in _RESULTS:
            late_results.archive(tx, lease, task, outcome)
        return self._proven_dead(tx, lease, task)

    def _proven_dead(self, tx: Tx, lease: Lease, task: Task) -> Task:
        return change(
            tx,
            task,
            Transition.PROVEN_DEAD,
            EventKind.TASK_KILLED,
            worker=lease.worker,
            cause=task.cause,
        )

    def _late(self, tx: Tx, record: LeaseRecord, outcome: Outcome) -> FinishResult:
        task = record.task
        if record.digest == outcome.digest:
            archived = record.outcome is AttemptOutcome.KILLED and outcome.kind in _RESULTS
            return FinishResult(Disposition.ARCHIVED if archived else Disposition.ACCEPTED, task.status)
        if not late_results.still_counts(tx, record, outcome):
            late_results.archive(tx, record.lease, task, outcome)
            return FinishResult(Disposition.ARCHIVED, task.status)
        attempts.archive(tx, record.lease.attempt_key, outcome)
        task = late_results.count(tx, self._unclaimed(tx, task), record.lease.number)
        tx.after_commit(partial(self._feed.wake, task.task_id))
        return FinishResult(Disposition.ACCEPTED, task.status)

    def _unclaimed(self, tx: Tx, task: Task) -> Task:
        """Takes back a claim that has not started: the task's result is here."""
        if task.status is not TaskStatus.CLAIMED:
            return task
        record = attempts.find(tx, task.key, task.attempt)
        assert record is not None
        cause = "an earlier attempt had completed"
        task = self.release(tx, record.lease, task, cause=cause)
        self._ended(tx, record.lease, task, order=OrderAction.ABANDON, cause=cause)
        return task

    def _ended(
        self, tx: Tx, lease: Lease, task: Task, *, order: OrderAction | None = None, cause: str = ""
    ) -> None:
        self._dispatcher.feed_worker(lease.worker)
        tx.after_commit(partial(self._live.end_lease, lease, order=order, cause=cause))
        tx.after_commit(partial(self._feed.wake, task.task_id))


def _stuck(tx: Tx, task: Task) -> Sequence[str]:
    """The findings that no builder has got rid of since the last new start, this attempt's included."""
    return repeated_findings(attempts.last_findings(tx, task.key, limit=min(3, task.failures + 1)))
