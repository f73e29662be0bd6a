"""Ending and holding: kill, emergency stop, pause, resume, drain. Each method is one write."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from swarmd.domain.errors import WorkerNotFound
from swarmd.domain.lifecycle import TaskStatus, Transition, advance
from swarmd.domain.model import AttemptOutcome, Lease, OrderAction, SwarmMode, Task, TaskId, WorkerName
from swarmd.engine.dispatch.dispatcher import Dispatcher
from swarmd.engine.live.state import LiveState
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.retries import reopen
from swarmd.engine.tasks.transitions import change
from swarmd.store import attempts, events, swarm, tasks, workers
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx

_WAITING = (TaskStatus.BLOCKED, TaskStatus.NOT_STARTED, TaskStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class Stopped:
    """What an emergency stop found."""

    killing: Sequence[TaskId]
    killed: Sequence[TaskId]


class Kills:
    """Ends tasks, and keeps the swarm from starting any."""

    def __init__(self, live: LiveState, dispatcher: Dispatcher) -> None:
        self._live = live
        self._dispatcher = dispatcher

    def kill(self, tx: Tx, task_ids: Sequence[str], cause: str) -> Sequence[TaskId]:
        """Ends the tasks for good; all, or none if one can't be killed."""
        found = [lookup.resolve(tx, task_id) for task_id in task_ids]
        for task in found:
            advance(task.task_id, task.status, Transition.KILL)
        for task in found:
            # Killing one may have changed another of them.
            fresh = _for_good(tasks.get(tx, task.key))
            tasks.save(tx, fresh)
            self._kill(tx, fresh, cause, OrderAction.STOP, interrupted=False)
        return [task.task_id for task in found]

    def emergency_stop(self, tx: Tx, cause: str) -> Stopped:
        """Stops everything, durably, until `resume`. Repeating it repeats the orders."""
        state = swarm.get(tx)
        if state.mode is not SwarmMode.STOPPED:
            swarm.set_mode(tx, SwarmMode.STOPPED, cause=cause, stops=1)
            events.append(tx, EventKind.SWARM_STOPPED, cause=cause)
        claimed = tasks.with_status(tx, TaskStatus.CLAIMED)
        running = tasks.with_status(tx, TaskStatus.IN_PROGRESS)
        killing = tasks.with_status(tx, TaskStatus.KILLING)
        for task in (*claimed, *running, *killing):
            self._kill(tx, tasks.get(tx, task.key), cause, OrderAction.STOP_NOW, interrupted=True)
        return Stopped(
            killing=[task.task_id for task in (*running, *killing)], killed=[task.task_id for task in claimed]
        )

    def pause(self, tx: Tx, cause: str) -> None:
        """Gives no more claims, and takes back those that have not started."""
        state = swarm.get(tx)
        if state.mode is not SwarmMode.RUNNING:
            return
        swarm.set_mode(tx, SwarmMode.PAUSED, cause=cause)
        events.append(tx, EventKind.SWARM_PAUSED, cause=cause)
        for task in tasks.with_status(tx, TaskStatus.CLAIMED):
            lease = self._end_attempt(tx, task, AttemptOutcome.RELEASED, cause="the swarm was paused")
            change(
                tx,
                task,
                Transition.RELEASE,
                EventKind.TASK_RELEASED,
                worker=lease.worker,
                detail="the swarm was paused",
            )

    def resume(self, tx: Tx, *, requeue: bool) -> Sequence[TaskId]:
        """Ends every pause and stop; returns the interrupted tasks that were put back, if that was asked for."""
        if swarm.get(tx).mode is not SwarmMode.RUNNING or swarm.paused_runners(tx):
            swarm.set_mode(tx, SwarmMode.RUNNING, cause="")
            swarm.resume_runners(tx)
            events.append(tx, EventKind.SWARM_RESUMED)
        if not requeue:
            return []
        ended = [task for task in tasks.interrupted(tx) if task.status is TaskStatus.KILLED]
        for task in ended:
            # Reopening one may have changed what another of them waits for.
            reopen(tx, tasks.get(tx, task.key))
        return [task.task_id for task in ended]

    def drain(self, tx: Tx, names_: Sequence[WorkerName], *, within_s: float | None) -> None:
        """Tells workers to finish what they run, within that time if there is one, and to exit."""
        for name in names_:
            record = workers.find(tx, name)
            if record is None:
                raise WorkerNotFound(name)
            workers.set_draining(tx, record.key, within_s=within_s)
            if not record.draining:
                events.append(tx, EventKind.WORKER_DRAINING, worker=name)
            tx.after_commit(partial(self._live.drain, name))

    def end_drain(self, tx: Tx, lease: Lease, *, within_s: float) -> None:
        """Kills what still runs at a drained worker past its deadline, if that deadline stands."""
        if workers.drain_deadline_s(tx, lease.worker) != within_s:
            return  # it was given another, or it is a new process, which nobody has drained
        record = attempts.find(tx, lease.task_key, lease.number)
        if record is not None and record.outcome is None:
            self._kill(tx, record.task, "its worker was drained", OrderAction.STOP, interrupted=True)

    def _kill(self, tx: Tx, task: Task, cause: str, action: OrderAction, *, interrupted: bool) -> None:
        if task.status is TaskStatus.KILLED:
            return
        if task.status in _WAITING:
            change(tx, task, Transition.KILL, EventKind.TASK_KILLED, cause=cause, interrupted=interrupted)
        elif task.status is TaskStatus.CLAIMED:
            lease = self._end_attempt(tx, task, AttemptOutcome.KILLED, cause=cause)
            change(
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
            change(
                tx,
                task,
                Transition.KILL,
                EventKind.TASK_KILLING,
                worker=record.lease.worker,
                cause=cause,
                interrupted=interrupted,
            )
        tx.after_commit(partial(self._live.order, record.lease, action, cause))

    def _end_attempt(self, tx: Tx, task: Task, outcome: AttemptOutcome, *, cause: str) -> Lease:
        """Ends an attempt of which no process exists; its worker learns that the lease is gone."""
        record = attempts.find(tx, task.key, task.attempt)
        assert record is not None
        attempts.end(tx, record.lease, outcome, error=cause)
        self._dispatcher.feed_worker(record.lease.worker)
        tx.after_commit(partial(self._live.end_lease, record.lease, order=OrderAction.ABANDON, cause=cause))
        return record.lease


def _for_good(task: Task) -> Task:
    """What a stop is ending is from now on killed by hand: no requeue brings it back."""
    return task._replace(interrupted=False)
