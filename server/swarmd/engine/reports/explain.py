"""Reasons why a task waits, from the same facts by which claims are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarmd.domain.lifecycle import FINAL, HELD, TaskStatus
from swarmd.domain.model import SwarmMode, Task, TaskDefinition
from swarmd.engine.live.retry_timers import RetryTimers
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.store import attempts, swarm, tasks
from swarmd.store.reads import views
from swarmd.store.transaction import ReadTx


class ReasonKind(StrEnum):
    """The kinds of reasons; the wire contract says what each means."""

    ENDED = "ended"
    HELD = "held"
    DEPENDENCY = "dependency"
    BACKOFF = "backoff"
    PAUSED = "paused"
    STOPPED = "stopped"
    NO_WORKER = "no_worker"
    NO_LABEL = "no_label"
    NO_SLOT = "no_slot"
    RUNNER_PAUSED = "runner_paused"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why a task does not start, or does not go on."""

    kind: ReasonKind
    message: str
    task_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """The stored facts about a task, read in one transaction."""

    task: Task
    definition: TaskDefinition
    mode: SwarmMode
    mode_cause: str
    unmet: Sequence[tuple[str, TaskStatus]]
    holder: str
    # Open leases by worker name.
    held: dict[str, int]
    # Why a runner is paused, by the key of the pause.
    paused: dict[str, str]


def read_facts(tx: ReadTx, task: Task, live: LiveState) -> TaskFacts:
    """Reads the facts that the reasons are derived from."""
    state = swarm.get(tx)
    view = views.task(tx, task.key)
    workers = list(live.workers.values())
    return TaskFacts(
        task=task,
        definition=views.definition(tx, task.key),
        mode=state.mode,
        mode_cause=state.cause,
        unmet=tasks.unmet_dependencies(tx, task.key),
        holder=view.worker,
        held={worker.identity.name: attempts.open_count(tx, worker.key) for worker in workers},
        paused={
            swarm.pause_key(found.runner, found.worker): found.cause for found in swarm.paused_runners(tx)
        },
    )


def reasons(facts: TaskFacts, live: LiveState, timers: RetryTimers) -> Sequence[Reason]:
    """Returns every reason, the root first; empty if the task can start at once."""
    task = facts.task
    if task.status in FINAL:
        why = f": {task.cause}" if task.cause else f": {task.last_error}" if task.last_error else ""
        return [Reason(ReasonKind.ENDED, f"it is {task.status}{why}")]
    if task.status in HELD:
        doing = {
            TaskStatus.CLAIMED: "holds it and has not started it yet",
            TaskStatus.IN_PROGRESS: "is working on it",
            TaskStatus.KILLING: "was ordered to end it and has not yet proven that it has",
        }[task.status]
        return [Reason(ReasonKind.HELD, f"worker {facts.holder} {doing} (attempt {task.attempt})")]
    found = [*_swarm(facts), *_dependencies(facts)]
    wait_s = timers.remaining_s(task.key)
    if wait_s is not None:
        found.append(Reason(ReasonKind.BACKOFF, f"its next attempt may start in {wait_s:.0f} s"))
    return [*found, *_workers(facts, live)]


def _swarm(facts: TaskFacts) -> Sequence[Reason]:
    why = f": {facts.mode_cause}" if facts.mode_cause else ""
    if facts.mode is SwarmMode.STOPPED:
        return [Reason(ReasonKind.STOPPED, f"an emergency stop is in force{why}; `swarmctl resume` ends it")]
    if facts.mode is SwarmMode.PAUSED:
        return [Reason(ReasonKind.PAUSED, f"the swarm is paused{why}; `swarmctl resume` ends it")]
    return []


def _dependencies(facts: TaskFacts) -> Sequence[Reason]:
    if facts.task.status is not TaskStatus.BLOCKED:
        return []
    ids = [task_id for task_id, _ in facts.unmet]
    shown = ", ".join(f"{task_id} ({status})" for task_id, status in facts.unmet[:5])
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return [Reason(ReasonKind.DEPENDENCY, f"it waits for {shown}{more}", ids)]


def _workers(facts: TaskFacts, live: LiveState) -> Sequence[Reason]:
    workers = [worker for worker in live.workers.values() if worker.takes_claims]
    if not workers:
        return [Reason(ReasonKind.NO_WORKER, "no worker is connected; start one with `swarm-worker`")]
    labels = facts.definition.labels
    fitting = [worker for worker in workers if labels.items() <= worker.identity.labels.items()]
    if not fitting:
        wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
        return [Reason(ReasonKind.NO_LABEL, f"no connected worker has the labels {wanted}")]
    pauses = {_pause(worker, facts) for worker in fitting}
    if "" not in pauses:
        why = "; ".join(sorted(pauses))
        return [Reason(ReasonKind.RUNNER_PAUSED, f"no runner may start sessions: {why}")]
    names = [worker.identity.name for worker in fitting]
    holds = [f"{name} {hold}" for name in names if (hold := live.provider_holds.describe(name))]
    if len(holds) == len(fitting):
        return [Reason(ReasonKind.RUNNER_PAUSED, f"the workers wait for their provider: {'; '.join(holds)}")]
    if all(_full(worker, facts) for worker in fitting):
        slots = sum(worker.identity.slots for worker in fitting)
        return [Reason(ReasonKind.NO_SLOT, f"all {slots} slots of the workers that fit are in use")]
    return []


def _pause(worker: ConnectedWorker, facts: TaskFacts) -> str:
    """Returns why the worker's runner is paused, empty if it is not."""
    runner, name = worker.identity.runner, worker.identity.name
    if (cause := facts.paused.get(runner)) is not None:
        return f"{runner}: {cause}"
    cause = facts.paused.get(swarm.pause_key(runner, name))
    return "" if cause is None else f"{runner} at worker {name}: {cause}"


def _full(worker: ConnectedWorker, facts: TaskFacts) -> bool:
    return facts.held.get(worker.identity.name, 0) >= worker.identity.slots
