"""The breaker: pauses a role of a runner for a fault that several tasks meet in a row, and finds out when it is gone.

Invariant: while a role of a runner is paused, its workers get no claim, or one at a time if it is half open. A task
that met the fault keeps its retries.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from swarmd.domain.breaker import (
    PUT_BACK,
    TASKS,
    RunnerFault,
    Signs,
    cooldown_s,
    is_charged,
    pauses_at_once,
    put_back,
    signs_of,
)
from swarmd.domain.decision import Decision
from swarmd.domain.model import Lease, Outcome, PausedRunner, SessionRole, Task, WorkerName
from swarmd.engine.live.retry_timers import RetryTimers
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.tasks.reopening import restore_retries
from swarmd.store import attempts, events, runner_pauses, tasks, workers
from swarmd.store.attempts import LeaseRecord
from swarmd.store.events import EventKind
from swarmd.store.runner_pauses import FaultHit
from swarmd.store.transaction import Tx

# This many workers must have been refused before a runner is paused everywhere.
SEVERAL_WORKERS: Final = 2


class Breaker:
    """The judge of what ended attempts say about runners. Runs on the writer thread."""

    def __init__(
        self,
        live: LiveState,
        cooldowns: RetryTimers[int],
        *,
        release: Callable[[Tx, Lease], object],
        first_cooldown_s: float,
    ) -> None:
        """`release` gives a claim back that has not started; it leaves other leases alone."""
        self._live = live
        self._cooldowns = cooldowns
        self._release = release
        self._first_cooldown_s = first_cooldown_s
        # Runners with a pause or a failure in a row; others cost no statement. It may hold too many, never too few.
        self._watched: set[str] = set()

    def boot(self, tx: Tx) -> None:
        """Loads which runners to watch, and begins each cool-down again in full."""
        self._watched.update(runner_pauses.runners_with_faults(tx))
        for pause in runner_pauses.find_all(tx):
            if pause.cooldown_s and not pause.half_open:
                self._cooldowns.start_on_commit(tx, pause.key, pause.cooldown_s)

    def judge(self, tx: Tx, record: LeaseRecord, outcome: Outcome, decision: Decision) -> Decision:
        """Notes what the decided outcome says about its runner; returns the decision, which may cost the task less."""
        signs = signs_of(record.task.task_id, outcome, decision, starts_at=record.starts_at)
        if signs.fault is None and not signs.worked:
            return decision
        runner = self._runner(tx, record.lease)
        if signs.fault is None:
            if runner in self._watched:
                self._note_work(tx, record.lease, runner, signs)
            return decision
        self._watched.add(runner)
        judged = self._note_fault(tx, record, runner, signs.fault, decision)
        # Another attempt would run beside what is left of this one.
        return decision if outcome.survivors else judged

    def resume(self, tx: Tx) -> bool:
        """Lets one task through each pause, and ends those of workers that are gone; returns whether any was closed."""
        changed = False
        for pause in runner_pauses.find_all(tx):
            worker = self._live.workers.get(WorkerName(pause.worker))
            if pause.worker and (worker is None or worker.identity.runner != pause.runner):
                runner_pauses.remove(tx, pause.key)
                text = f"{_place(pause.runner, pause.worker, pause.role)}: its worker is gone"
                events.append(tx, EventKind.RUNNER_RESUMED, worker=pause.worker, cause=text)
                changed = True
        return runner_pauses.half_open_all(tx) > 0 or changed

    def _runner(self, tx: Tx, lease: Lease) -> str:
        member = self._live.workers.get(lease.worker)
        if member is not None:
            return member.identity.runner
        record = workers.find(tx, lease.worker)
        assert record is not None
        return record.identity.runner

    def _note_work(self, tx: Tx, lease: Lease, runner: str, signs: Signs) -> None:
        """Ends the rows of failures of the roles that did work, and the pauses whose probe this was."""
        for role in signs.worked:
            runner_pauses.worked(tx, runner, role, lease.worker)
        for pause in runner_pauses.covering(tx, runner, lease.worker):
            if pause.probe_key == lease.attempt_key and pause.role in signs.worked:
                self._end(tx, pause, lease, "a task has shown that it works")

    def _note_fault(
        self, tx: Tx, record: LeaseRecord, runner: str, fault: RunnerFault, decision: Decision
    ) -> Decision:
        lease = record.lease
        of_role = [p for p in runner_pauses.covering(tx, runner, lease.worker) if p.role == fault.role]
        same = [pause for pause in of_role if _is_same(pause, fault)]
        for pause in same:
            self._meet_again(tx, pause, lease, fault)
        for pause in of_role:
            if pause not in same and pause.probe_key == lease.attempt_key:
                self._end(tx, pause, lease, f"its fault is gone, another one came: {fault.error}")
        if same:
            return put_back(record.task, decision)
        if pauses_at_once(fault.failure_class):
            self._pause_after_refusal(tx, lease, runner, fault)
            return decision
        charged = is_charged(record.task, decision)
        runner_pauses.add_fault(tx, lease, runner, fault, charged=charged)
        return self._trip_if_due(tx, record, runner, fault, decision)

    def _trip_if_due(
        self, tx: Tx, record: LeaseRecord, runner: str, fault: RunnerFault, decision: Decision
    ) -> Decision:
        """Pauses the role if enough tasks have met the fault: at this worker, or everywhere if others met it too."""
        hits = runner_pauses.hits(tx, runner, fault)
        here = [hit for hit in hits if hit.worker == record.lease.worker]
        shared = [hit for hit in hits if not hit.alone]
        several = len({hit.worker for hit in shared}) >= SEVERAL_WORKERS
        if several and _tasks(shared) >= TASKS:
            met, where = shared, ""
        elif _tasks(here) >= TASKS:
            met, where = here, str(record.lease.worker)
        else:
            return decision
        cause = f"{_tasks(met)} tasks in a row ended alike: {fault.error}"
        task_ids = [tasks.get(tx, key).task_id for key in dict.fromkeys(hit.task_key for hit in met)]
        if not self._pause(tx, record.lease, runner, where, fault, cause=cause, task_ids=task_ids):
            return decision
        runner_pauses.forget_faults(tx, runner, fault.role, worker=where)
        if where:
            self._pause_everywhere_if_due(tx, record.lease, runner, fault, cause)
        if fault.role is SessionRole.VALIDATOR:
            return decision  # the builders' work is paid for, and waiting again would redo it
        others = [hit for hit in met if hit.task_key != record.lease.task_key]
        for key in dict.fromkeys(hit.task_key for hit in others):
            restore_retries(tx, key, [hit for hit in others if hit.task_key == key])
        used = sum(hit.charged for hit in met) - sum(hit.charged for hit in others)
        return _refund(record.task, put_back(record.task, decision), used - is_charged(record.task, decision))

    def _pause_after_refusal(self, tx: Tx, lease: Lease, runner: str, fault: RunnerFault) -> None:
        """Pauses the role at this worker, and everywhere if enough workers say the same."""
        task_ids = [str(lease.task_id)]
        if self._pause(tx, lease, runner, lease.worker, fault, cause=fault.error, task_ids=task_ids):
            self._pause_everywhere_if_due(tx, lease, runner, fault, fault.error)

    def _pause_everywhere_if_due(
        self, tx: Tx, lease: Lease, runner: str, fault: RunnerFault, cause: str
    ) -> None:
        paused = [
            p for p in runner_pauses.find_all(tx) if p.runner == runner and p.role == fault.role and p.worker
        ]
        connected = [worker for worker in list(self._live.workers.values()) if worker.connected]
        if pauses_everywhere([pause.worker for pause in paused], connected, runner):
            task_ids = [task_id for pause in paused for task_id in pause.task_ids]
            self._pause(tx, lease, runner, "", fault, cause=cause, task_ids=list(dict.fromkeys(task_ids)))

    def _pause(
        self,
        tx: Tx,
        lease: Lease,
        runner: str,
        worker: str,
        fault: RunnerFault,
        *,
        cause: str,
        task_ids: Sequence[str],
    ) -> bool:
        """Pauses the role; returns False if it is paused already."""
        wait_s = cooldown_s(fault.failure_class, first_s=self._first_cooldown_s, failed_probes=0)
        key = runner_pauses.add(tx, runner, worker, fault, cause=cause, task_ids=task_ids, cooldown_s=wait_s)
        if not key:
            return False
        _announce(tx, lease, _place(runner, worker, fault.role), cause)
        if wait_s:
            self._cooldowns.start_on_commit(tx, key, wait_s)
        for member in list(self._live.workers.values()):
            if member.identity.runner == runner and worker in ("", member.identity.name):
                self._release_claims(tx, member, lease)
        return True

    def _release_claims(self, tx: Tx, worker: ConnectedWorker, ended: Lease) -> None:
        """Gives back what the worker has not started, so that others may have it; `ended` is ended by the caller."""
        for lease in attempts.open_of_worker(tx, worker.key):
            if lease.attempt_key != ended.attempt_key:
                self._release(tx, lease)

    def _meet_again(self, tx: Tx, pause: PausedRunner, lease: Lease, fault: RunnerFault) -> None:
        """Notes another task that met the fault of a pause; if it was the probe, the role is paused again."""
        runner_pauses.add_task(tx, pause, lease.task_id)
        if pause.probe_key != lease.attempt_key:
            return
        failed = pause.failed_probes + 1
        wait_s = cooldown_s(fault.failure_class, first_s=self._first_cooldown_s, failed_probes=failed)
        runner_pauses.close_again(tx, pause, cooldown_s=wait_s)
        cause = f"the task that was tried met it again: {fault.error}"
        _announce(tx, lease, _place(pause.runner, pause.worker, pause.role), cause)
        if wait_s:
            self._cooldowns.start_on_commit(tx, pause.key, wait_s)

    def _end(self, tx: Tx, pause: PausedRunner, lease: Lease, cause: str) -> None:
        runner_pauses.remove(tx, pause.key)
        text = f"{_place(pause.runner, pause.worker, pause.role)}: {cause}"
        events.append(tx, EventKind.RUNNER_RESUMED, task_id=lease.task_id, worker=lease.worker, cause=text)


def pauses_everywhere(pauses: Collection[str], workers: Iterable[ConnectedWorker], runner: str) -> bool:
    """Returns whether the workers whose runner is paused are enough to pause it everywhere.

    One worker proves nothing about the others: its credentials may be wrong, or its sessions may lie. So there must be
    several, and at least half of the connected workers with that runner.
    """
    names = [worker.identity.name for worker in workers if worker.identity.runner == runner]
    connected = sum(name in pauses for name in names)
    return len(pauses) >= SEVERAL_WORKERS and 2 * connected >= len(names)


def _place(runner: str, worker: str, role: SessionRole) -> str:
    what = runner if role is SessionRole.BUILDER else f"{role}s of {runner}"
    return f"{what} at worker {worker}" if worker else what


def _announce(tx: Tx, lease: Lease, place: str, cause: str) -> None:
    text = f"{place}: {cause}"
    events.append(tx, EventKind.RUNNER_PAUSED, task_id=lease.task_id, worker=lease.worker, cause=text)


def _is_same(pause: PausedRunner, fault: RunnerFault) -> bool:
    """Returns whether the fault is that of the pause; a refusal at once is known by its class."""
    if pause.failure_class != fault.failure_class:
        return False
    return pauses_at_once(fault.failure_class) or pause.fingerprint == fault.fingerprint


def _tasks(hits: Sequence[FaultHit]) -> int:
    return len({hit.task_key for hit in hits})


def _refund(task: Task, decision: Decision, count: int) -> Decision:
    """Returns the decision with retries given back that earlier attempts of the task used up on the fault."""
    if not count:
        return decision
    failures = max(0, task.failures - count)
    detail = decision.detail.replace(PUT_BACK, f"{PUT_BACK}, and {count} before", 1)
    return replace(decision, detail=detail, update={**decision.update, "failures": failures})
