"""Mutants: the engine or the worker with one rule taken out, which the simulation must notice."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

import pytest

from sim.clones import SimSource
from sim.machine import Guard
from sim.simulation import Result, Setting, simulate
from swarm_worker.domain.ports import GoAnswer
from swarm_worker.execution.attempt import Attempt
from swarm_worker.execution.landing import LandingRun
from swarm_worker.execution.session import Session
from swarm_worker.storage.outbox import Outbox
from swarm_worker.supervision.guard_watch import WatchedRun
from swarm_worker.worker import Worker
from swarmd.domain import decision, policy
from swarmd.domain.budget import NOTHING
from swarmd.domain.landing import StartPoint
from swarmd.domain.lease_ids import parse_lease_id
from swarmd.domain.lifecycle import Transition
from swarmd.domain.model import AttemptOutcome, FailureClass, OutcomeKind, SwarmMode
from swarmd.domain.shared_budget import SharedBudget
from swarmd.engine.attempts import leases, outcomes, swarm_control
from swarmd.engine.attempts.landings import Landings
from swarmd.engine.attempts.swarm_control import SwarmControl
from swarmd.engine.dispatch import dispatcher
from swarmd.engine.dispatch.exclusion import Admission, Exclusion
from swarmd.engine.live.state import LiveState
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import landing_orders, late_results, reopening, shared_budgets
from swarmd.engine.tasks.holding import free
from swarmd.engine.tasks.transitions import apply
from swarmd.engine.workers import registry
from swarmd.engine.workers.reaper import Reaper
from swarmd.store import attempts, events, holds, landings, tasks
from swarmd.store import shared_budgets as store_budgets
from swarmd.store.task_records import RunnerGate

Patch = Callable[[pytest.MonkeyPatch], None]


def claims_ignore_reservations(patch: pytest.MonkeyPatch) -> None:
    """Claims what the budget of the plan leaves, as if nothing that runs would still spend."""
    lacks = SharedBudget.lacks
    patch.setattr(SharedBudget, "lacks", lambda self, need: lacks(self._replace(reserved=NOTHING), need))


def restarts_free_what_waits_for_money(patch: pytest.MonkeyPatch) -> None:
    """Frees, at a restart, the tasks that are held for a budget which leaves nothing."""
    patch.setattr(shared_budgets, "_go_on_all", _free_all)


def _free_all(tx: Any) -> None:
    for budget in store_budgets.find_all(tx):
        for task in store_budgets.held(tx, budget.key):
            free(tx, task, actor="")


def forgets_the_connected(patch: pytest.MonkeyPatch) -> None:
    """Forgets a worker on an operator's word although the server hears it."""
    declare_gone = registry.WorkerRegistry.declare_gone

    def blind(self: registry.WorkerRegistry, tx: Any, name: Any) -> Any:
        heard = self._live.workers.pop(name, None)
        try:
            return declare_gone(self, tx, name)
        finally:
            if heard is not None:
                self._live.workers[name] = heard

    patch.setattr(registry.WorkerRegistry, "declare_gone", blind)


def any_lease_counts(patch: pytest.MonkeyPatch) -> None:
    """Lets results and starts count for any open attempt of the task."""

    def find(tx: Any, worker: str, lease_id: str) -> Any:
        ref = parse_lease_id(lease_id)
        assert ref is not None
        return attempts.find(tx, ref.task_key, tasks.get(tx, ref.task_key).attempt)

    patch.setattr(leases, "find", find)


def claims_while_stopped(patch: pytest.MonkeyPatch) -> None:
    """Makes the dispatcher ignore the mode of the swarm."""

    def offer(tx: Any) -> Any:
        return replace(tasks.offer(tx), mode=SwarmMode.RUNNING)

    known = {name: getattr(tasks, name) for name in dir(tasks) if not name.startswith("_")}
    patch.setattr(dispatcher, "tasks", SimpleNamespace(**{**known, "offer": offer}))


def orders_die_with_the_server(patch: pytest.MonkeyPatch) -> None:
    """Forgets, at a restart, the orders for what was being killed."""
    boot = Swarm.boot

    async def forgetful(self: Swarm) -> None:
        await boot(self)
        for found in self.live.leases():
            found.order = None

    patch.setattr(Swarm, "boot", forgetful)


def requeue_takes_all(patch: pytest.MonkeyPatch) -> None:
    """Brings a task back with the tasks of a stop although an operator killed it meanwhile."""
    patch.setattr(swarm_control, "_without_requeue", lambda task: task)


def lost_too_early(patch: pytest.MonkeyPatch) -> None:
    """Gives a silent worker's leases away before the worker must have stopped by itself."""
    check_worker = Reaper._check_worker

    async def hasty(self: Reaper, write: Any, name: Any, silent: Any, now_s: float) -> None:
        await check_worker(self, write, name, silent, now_s + 0.8 * self._pace.lost_after_s)

    patch.setattr(Reaper, "_check_worker", hasty)


def orders_on_the_stream_only(patch: pytest.MonkeyPatch) -> None:
    """Answers heartbeats without orders."""
    refresh = LiveState.refresh_leases

    def silent(self: LiveState, worker: Any, lease_ids: Any, *running: Any) -> list[Any]:
        refresh(self, worker, lease_ids, *running)
        return []

    patch.setattr(LiveState, "refresh_leases", silent)


def stop_spares_claims(patch: pytest.MonkeyPatch) -> None:
    """Makes an emergency stop forget what is claimed and not started."""

    def stop(self: SwarmControl, tx: Any, cause: str) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(
                tasks, "with_status", lambda tx, status: () if status == "claimed" else original(tx, status)
            )
            return emergency_stop(self, tx, cause)

    original, emergency_stop = tasks.with_status, SwarmControl.emergency_stop
    patch.setattr(SwarmControl, "emergency_stop", stop)


def paused_runners_are_given_tasks(patch: pytest.MonkeyPatch) -> None:
    """Makes the dispatcher overlook the pauses of runners."""
    patch.setattr(RunnerGate, "covers", lambda _self, _worker: False)


def answers_count_for_any_hold(patch: pytest.MonkeyPatch) -> None:
    """Lets an answer end the hold that lasts, whichever it answers."""

    def find(tx: Any, key: Any, hold_id: Any) -> Any:
        return holds.lasting(tx, key) or original(tx, key, hold_id)

    original = holds.find
    patch.setattr(holds, "find", find)


def work_counts_unseen(patch: pytest.MonkeyPatch) -> None:
    """Lets work count that a person has to approve."""
    patch.setattr(decision, "approval_of", lambda task, result, *, attempt: None)


def starts_are_approved_for_good(patch: pytest.MonkeyPatch) -> None:
    """Keeps the approval of a start over a retry by an operator."""

    patch.setattr(reopening, "_approved", lambda task, work_of: task.approved)


def silent_changes(patch: pytest.MonkeyPatch) -> None:
    """Makes some changes without their event."""
    append = events.append

    def forgetful(tx: Any, kind: Any, **details: Any) -> None:
        if kind != "task_retrying":
            append(tx, kind, **details)

    patch.setattr(events, "append", forgetful)


def losses_count_as_failures(patch: pytest.MonkeyPatch) -> None:
    """Charges a worker's death to the task's retries."""

    def decide_retry(task: Any, failure: Any, **rest: Any) -> Any:
        return policy.decide_retry(
            task, FailureClass.AGENT_ERROR if failure == "worker_lost" else failure, **rest
        )

    patch.setattr(decision, "decide_retry", decide_retry)


def builders_pay_for_their_judges(patch: pytest.MonkeyPatch) -> None:
    """Retries a task whose validator failed by itself."""

    def judge(task: Any, failure: Any, **rest: Any) -> Any:
        final = failure in policy.FINAL_FAILURES
        return policy.decide_retry(task, FailureClass.PROVIDER_LIMITED if final else failure, **rest)

    patch.setattr(decision, "decide_retry", judge)


def worker_without_fence(patch: pytest.MonkeyPatch) -> None:
    """Removes the fence: a worker of the simulation never stops by itself."""
    patch.setattr(Guard, "set_fence", lambda self, until_s: None)


def worker_without_go(patch: pytest.MonkeyPatch) -> None:
    """Starts sessions without waiting for the go."""

    async def await_go(self: Session) -> GoAnswer:
        return GoAnswer(granted=True)

    patch.setattr(Session, "_await_go", await_go)


def outbox_keeps_nothing(patch: pytest.MonkeyPatch) -> None:
    """Keeps a worker's outcomes in memory only."""
    patch.setattr(Outbox, "write", lambda self, finished: None)


def beats_are_not_obeyed(patch: pytest.MonkeyPatch) -> None:
    """Makes a worker ignore the orders in heartbeats."""
    patch.setattr(Worker, "_on_heartbeat", lambda self, response: None)


def late_results_always_count(patch: pytest.MonkeyPatch) -> None:
    """Lets the result of a lost attempt complete the task even after a kill, or under the next attempt."""
    patch.setattr(
        late_results, "counts_by_itself", lambda tx, record, outcome: outcome.kind is OutcomeKind.COMPLETED
    )


def overtaken_requests_count(patch: pytest.MonkeyPatch) -> None:
    """Believes a request for a stream whenever it comes."""
    patch.setattr(registry, "_refuse_outdated", lambda record, identity: None)


def silent_guards_are_ignored(patch: pytest.MonkeyPatch) -> None:
    """Makes a worker wait forever for a guard that its session has stopped."""
    patch.setattr(WatchedRun, "check", lambda self, now_s: None)


def names_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    """Claims tasks whatever others hold."""

    def admit(self: Exclusion, found: Any, worker: Any) -> Admission:
        return Admission(found.task, None, ())

    patch.setattr(Exclusion, "admit", admit)


def names_are_free_at_the_order(patch: pytest.MonkeyPatch) -> None:
    """Frees the names of a task when its end is ordered, and not when it is proven."""

    def freeing(tx: Any, task: Any, transition: Any, kind: Any, **details: Any) -> Any:
        if kind == "task_killing":
            tx.flush()
            tx._connection.execute(
                "DELETE FROM held_names WHERE attempt_key ="
                " (SELECT key FROM attempts WHERE task_key = ? AND outcome IS NULL)",
                (task.key,),
            )
        return apply(tx, task, transition, kind, **details)

    patch.setattr(swarm_control, "apply", freeing)


def names_die_with_the_server(patch: pytest.MonkeyPatch) -> None:
    """Frees all names at a restart."""
    boot = Swarm._boot

    def forgetful(self: Swarm, tx: Any) -> None:
        tx._connection.execute("DELETE FROM held_names")
        boot(self, tx)

    patch.setattr(Swarm, "_boot", forgetful)


def two_have_the_right(patch: pytest.MonkeyPatch) -> None:
    """Grants the right to land to whoever asks."""
    turn = landings.turn

    def first(tx: Any, attempt_key: Any) -> Any:
        return turn(tx, attempt_key)._replace(before=0)

    patch.setattr(landings, "turn", first)


def landings_are_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    """Makes a worker land work although an attempt before, whose end nobody heard, has landed it."""

    async def find_landed(self: SimSource, *_: Any, **__: Any) -> None:
        return None

    patch.setattr(SimSource, "find_landed", find_landed)


def combinations_are_checked_once(patch: pytest.MonkeyPatch) -> None:
    """Lands what was checked on an older tip."""

    async def swap(self: LandingRun, _old: str, new: str) -> Any:
        return await original(self, await self.source.fetch(), new)

    original = LandingRun._swap
    patch.setattr(LandingRun, "_swap", swap)


def orders_forget_the_work(patch: pytest.MonkeyPatch) -> None:
    """Reopens a task that is to land as if it were to be built again."""

    def reopen(tx: Any, task: Any, *, detail: str, work_of: int) -> Any:
        return reopening.reopen(tx, task, detail=detail)

    patch.setattr(landing_orders, "reopen", reopen)


def reruns_find_what_landed(patch: pytest.MonkeyPatch) -> None:
    """Takes an earlier landing of a task that runs again for its own."""
    patch.setattr(landings, "rename", lambda tx, key: None)
    patch.setattr(landings, "first_base", lambda tx, task_key, key: "")


def judgements_need_no_verdict(patch: pytest.MonkeyPatch) -> None:
    """Makes a worker run the checks alone where the validator was asked for, and the server believe that it may."""

    def asks(self: Attempt) -> bool:
        return self.assignment.starts_at is None and self.assignment.task.validate is not False

    patch.setattr(Attempt, "_asks_for_verdict", property(asks))
    patch.setattr(outcomes, "_refuse_unproven", lambda tx, record, outcome: None)


def landings_start_builders(patch: pytest.MonkeyPatch) -> None:
    """Makes a worker build what it is to land, and the server believe that it may."""

    def find(tx: Any, worker: Any, lease_id: str) -> Any:
        record = original(tx, worker, lease_id)
        return None if record is None else record._replace(work_of=0)

    original = leases.find
    patch.setattr(leases, "find", find)
    patch.setattr(Attempt, "_land", Attempt._work)


def kept_work_lands_under_a_claim(patch: pytest.MonkeyPatch) -> None:
    """Leaves a landing of kept work a claim when it gets the right, and lets it complete as one."""

    def record(self: Landings, tx: Any, found: Any, where: str) -> None:
        return original(self, tx, found._replace(work_of=0, starts_at=StartPoint.BUILDER), where)

    original = Landings._record_grant
    patch.setattr(Landings, "_record_grant", record)
    patch.setattr(outcomes, "_refuse_unproven", lambda tx, record, outcome: None)


def missing_work_fails_its_task(patch: pytest.MonkeyPatch) -> None:
    """Fails a task whose accepted work is not found."""
    patch.setattr(
        decision,
        "_withdraw",
        lambda failure, error: decision.Decision(
            AttemptOutcome.FAILED,
            Transition.GIVE_UP,
            failure_class=failure,
            error=error,
            detail=f"{failure}: no",
        ),
    )


HARSH: Final = Setting(
    exclusive=0.0,
    asking=0.0,
    approving=0.0,
    cloning=0.0,
    stopped_guards=False,
    chaos_s=900.0,
    mean_s=(40.0, 150.0),
    stall_s=200.0,
)
SLOW: Final = Setting(
    exclusive=0.0,
    asking=0.0,
    approving=0.0,
    cloning=0.0,
    stopped_guards=False,
    chaos_s=1_000.0,
    verb_every_s=15.0,
    mean_s=(30.0, 300.0),
    stall_s=400.0,
)
LANDING: Final = Setting(
    exclusive=0.0,
    asking=0.0,
    approving=0.0,
    cloning=1.0,
    stopped_guards=False,
    chaos_s=900.0,
    workers=6,
    fewest_workers=4,
)
# A worker opens a new stream again and again while a former request is on its way.
OVERTAKING: Final = replace(
    SLOW, fault_every_s=8.0, mean_s=(60.0,), late_streams=0.5, cuts=30, resets=20, stopped_guards=True
)
FORGETTING: Final = replace(HARSH, forgets=0.3)
NAMED: Final = replace(HARSH, exclusive=0.9)
FUNDED: Final = replace(HARSH, funded=1.0)
APPROVING: Final = replace(HARSH, approving=0.8)
# Each mutant has a setting in which it shows, and a seed that is known to notice it, which saves time.
MUTANTS: Final[Mapping[Patch, tuple[Setting, int]]] = {
    any_lease_counts: (SLOW, 23),
    claims_while_stopped: (HARSH, 0),
    orders_die_with_the_server: (SLOW, 1),
    requeue_takes_all: (HARSH, 6),
    lost_too_early: (SLOW, 6),
    orders_on_the_stream_only: (SLOW, 6),
    stop_spares_claims: (HARSH, 6),
    silent_changes: (HARSH, 0),
    paused_runners_are_given_tasks: (HARSH, 0),
    answers_count_for_any_hold: (replace(HARSH, asking=0.5), 0),
    work_counts_unseen: (APPROVING, 0),
    starts_are_approved_for_good: (APPROVING, 1),
    losses_count_as_failures: (HARSH, 0),
    builders_pay_for_their_judges: (HARSH, 9),
    late_results_always_count: (SLOW, 23),
    overtaken_requests_count: (OVERTAKING, 2),
    worker_without_fence: (SLOW, 2),
    worker_without_go: (HARSH, 0),
    outbox_keeps_nothing: (SLOW, 1),
    beats_are_not_obeyed: (HARSH, 10),
    names_are_not_checked: (NAMED, 0),
    names_are_free_at_the_order: (NAMED, 4),
    names_die_with_the_server: (NAMED, 4),
    silent_guards_are_ignored: (replace(HARSH, stopped_guards=True), 1),
    forgets_the_connected: (FORGETTING, 4),
    two_have_the_right: (LANDING, 0),
    landings_are_not_looked_for: (LANDING, 16),
    combinations_are_checked_once: (LANDING, 4),
    orders_forget_the_work: (LANDING, 0),
    reruns_find_what_landed: (replace(LANDING, approving=0.3), 0),
    judgements_need_no_verdict: (replace(HARSH, approving=0.5), 0),
    landings_start_builders: (LANDING, 0),
    kept_work_lands_under_a_claim: (LANDING, 0),
    missing_work_fails_its_task: (LANDING, 9),
    claims_ignore_reservations: (FUNDED, 0),
    restarts_free_what_waits_for_money: (FUNDED, 15),
}
TRIES: Final = 100


def noticed(patch: Patch) -> Result | None:
    """Returns the run that notices the missing rule; None if no run does."""
    setting, first = MUTANTS[patch]
    for seed in (first, *range(TRIES)):
        with pytest.MonkeyPatch.context() as context:
            patch(context)
            result = simulate(seed, setting)
        if result.fault:
            return result
    return None
