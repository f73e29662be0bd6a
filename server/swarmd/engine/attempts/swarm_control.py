"""Kill, emergency stop, pause, resume and drain. Each method is one write."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.errors import WorkerNotFound
from swarmd.domain.lifecycle import TaskStatus, Transition, advance
from swarmd.domain.model import (
    AttemptOutcome,
    Lease,
    OrderAction,
    SwarmMode,
    Task,
    TaskId,
    TaskKey,
    WorkerName,
)
from swarmd.domain.refused_task import TASK_ERRORS, RefusedTask
from swarmd.engine.attempts.breaker import Breaker
from swarmd.engine.attempts.landings import wake_call, wake_queue
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.state import LiveState
from swarmd.engine.live.wakeups import Wakeups
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.reopening import reopen
from swarmd.engine.tasks.transitions import apply
from swarmd.store import attempts, events, swarm, tasks, workers
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

# With more names in a batch, unknown ones get no spelling hint: the writer has no time for it.
HINTED_NAMES: Final = 10
_WAITING = (TaskStatus.BLOCKED, TaskStatus.NOT_STARTED, TaskStatus.SKIPPED, TaskStatus.HELD)


@dataclass(frozen=True, slots=True)
class EmergencyStopResult:
    """The tasks that an emergency stop is ending, and those that it has ended."""

    killing: Sequence[TaskId]
    killed: Sequence[TaskId]


@dataclass(frozen=True, slots=True)
class KillResult:
    """The killed tasks, in the order of their names, and the refused names."""

    keys: Sequence[TaskKey]
    refused: Sequence[RefusedTask]


class SwarmControl:
    """Actions that end tasks, or keep the swarm from starting them."""

    def __init__(self, live: LiveState, dispatcher: Dispatcher, wakeups: Wakeups, breaker: Breaker) -> None:
        self._live = live
        self._dispatcher = dispatcher
        self._wakeups = wakeups
        self._breaker = breaker

    def kill(self, tx: Tx, names: Sequence[str], cause: str) -> KillResult:
        """Kills the tasks of these names; a name that is refused keeps no other task alive."""
        found: list[Task] = []
        refused: list[RefusedTask] = []
        for name in names:
            try:
                task = lookup.resolve(tx, name, with_hint=len(names) <= HINTED_NAMES)
                advance(task.task_id, task.status, Transition.KILL)
            except TASK_ERRORS as error:
                refused.append(RefusedTask(name, error))
            else:
                found.append(task)
        for task in found:
            # Killing one may have changed another of them.
            fresh = _without_requeue(tasks.get(tx, task.key))
            tasks.save(tx, fresh)
            self._kill(tx, fresh, cause, OrderAction.STOP, interrupted=False)
        return KillResult([task.key for task in found], refused)

    def emergency_stop(self, tx: Tx, cause: str) -> EmergencyStopResult:
        """Stops the swarm durably, until `resume`, and ends all sessions. A repetition repeats the orders."""
        state = swarm.get(tx)
        if state.mode is not SwarmMode.STOPPED:
            swarm.set_mode(tx, SwarmMode.STOPPED, cause=cause, stops=1)
            events.append(tx, EventKind.SWARM_STOPPED, cause=cause)
        claimed = tasks.with_status(tx, TaskStatus.CLAIMED)
        running = tasks.with_status(tx, TaskStatus.IN_PROGRESS)
        killing = tasks.with_status(tx, TaskStatus.KILLING)
        for task in (*claimed, *running, *killing):
            self._kill(tx, tasks.get(tx, task.key), cause, OrderAction.STOP_NOW, interrupted=True)
        return EmergencyStopResult(
            killing=[task.task_id for task in (*running, *killing)], killed=[task.task_id for task in claimed]
        )

    def pause(self, tx: Tx, cause: str) -> None:
        """Pauses the swarm: no more claims are made, and those that have not started are released."""
        state = swarm.get(tx)
        if state.mode is not SwarmMode.RUNNING:
            return
        swarm.set_mode(tx, SwarmMode.PAUSED, cause=cause)
        events.append(tx, EventKind.SWARM_PAUSED, cause=cause)
        for task in tasks.with_status(tx, TaskStatus.CLAIMED):
            lease = self._end_attempt(tx, task, AttemptOutcome.RELEASED, cause="the swarm was paused")
            apply(
                tx,
                task,
                Transition.RELEASE,
                EventKind.TASK_RELEASED,
                worker=lease.worker,
                detail="the swarm was paused",
            )

    def resume(self, tx: Tx, *, requeue: bool) -> Sequence[TaskId]:
        """Ends a pause or stop of the swarm, and lets one task through the pause of each runner.

        Returns the interrupted tasks that were put back, if `requeue` is set.
        A task with processes that could not be ended stays killed.
        """
        opened = self._breaker.resume(tx)
        if opened or swarm.get(tx).mode is not SwarmMode.RUNNING:
            swarm.set_mode(tx, SwarmMode.RUNNING, cause="")
            events.append(tx, EventKind.SWARM_RESUMED)
        if not requeue:
            return []
        ended = [
            task
            for task in tasks.interrupted(tx)
            if task.status is TaskStatus.KILLED and not attempts.survivors(tx, task.key)
        ]
        for task in ended:
            # Reopening one may have changed what another of them waits for.
            reopen(tx, tasks.get(tx, task.key))
        return [task.task_id for task in ended]

    def drain(self, tx: Tx, worker_names: Sequence[WorkerName], *, within_s: float | None) -> None:
        """Drains workers: they finish their tasks, within `within_s` if it is set, and exit.

        Raises:
            WorkerNotFound: no worker has one of the names.
        """
        for name in worker_names:
            record = workers.find(tx, name)
            if record is None:
                raise WorkerNotFound(name)
            workers.set_draining(tx, record.key, within_s=within_s)
            if not record.draining:
                events.append(tx, EventKind.WORKER_DRAINING, worker=name)
            tx.after_commit(partial(self._live.drain, name))

    def end_drain(self, tx: Tx, lease: Lease, *, within_s: float) -> None:
        """Kills a task that a drained worker still runs at its deadline, if the deadline has not changed."""
        if workers.drain_deadline_s(tx, lease.worker) != within_s:
            return  # another deadline was set, or a new process, which is not drained, has the name
        record = attempts.find(tx, lease.task_key, lease.number)
        if record is not None and record.outcome is None:
            self._kill(tx, record.task, "its worker was drained", OrderAction.STOP, interrupted=True)

    def _kill(self, tx: Tx, task: Task, cause: str, action: OrderAction, *, interrupted: bool) -> None:
        if task.status is TaskStatus.KILLED:
            return
        if task.status in _WAITING:
            apply(tx, task, Transition.KILL, EventKind.TASK_KILLED, cause=cause, interrupted=interrupted)
        elif task.status is TaskStatus.CLAIMED:
            lease = self._end_attempt(tx, task, AttemptOutcome.KILLED, cause=cause)
            apply(
                tx,
                task,
                Transition.KILL,
                EventKind.TASK_KILLED,
                worker=lease.worker,
                cause=cause,
                interrupted=interrupted,
            )
        else:
            self._kill_running(tx, task, cause, action, interrupted=interrupted)

    def _kill_running(
        self, tx: Tx, task: Task, cause: str, action: OrderAction, *, interrupted: bool
    ) -> None:
        record = attempts.find(tx, task.key, task.attempt)
        assert record is not None
        if task.status is TaskStatus.IN_PROGRESS:
            apply(
                tx,
                task,
                Transition.KILL,
                EventKind.TASK_KILLING,
                worker=record.lease.worker,
                cause=cause,
                interrupted=interrupted,
            )
        tx.after_commit(partial(self._live.order, record.lease, action, cause))
        if record.landing_place is not None:
            tx.after_commit(wake_call(self._wakeups, record))

    def _end_attempt(self, tx: Tx, task: Task, outcome: AttemptOutcome, *, cause: str) -> Lease:
        """Ends an attempt that has no process, and orders its worker to abandon the lease."""
        record = attempts.find(tx, task.key, task.attempt)
        assert record is not None
        attempts.end(tx, record.lease, outcome, error=cause)
        wake_queue(tx, self._wakeups, record)
        self._dispatcher.mark_free_by_name(record.lease.worker)
        tx.after_commit(partial(self._live.end_lease, record.lease, order=OrderAction.ABANDON, cause=cause))
        return record.lease


def _without_requeue(task: Task) -> Task:
    """Returns the task as killed by an operator: `resume --requeue` does not put it back."""
    return task._replace(interrupted=False)
