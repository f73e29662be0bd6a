"""Reasons why a task waits, from the same facts by which claims are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Final

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.exclusive import Needs, needs_of
from swarmd.domain.lifecycle import FINAL, HELD, TaskStatus
from swarmd.domain.model import SwarmMode, Task
from swarmd.domain.placement import demands, fits
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.dispatch.exclusion import needs_files
from swarmd.engine.live.retry_timers import RetryTimers
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.store import attempts, exclusive_names, swarm, tasks
from swarmd.store.exclusive_names import Holder
from swarmd.store.reads import views
from swarmd.store.transaction import ReadTx

# The most holders of names that are shown.
SHOWN_HOLDERS: Final = 5


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
    NAME_HELD = "name_held"


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
    # The attempts that hold what the task needs.
    name_holders: Sequence[Holder]


def read_facts(tx: ReadTx, task: Task, live: LiveState, *, exclusive_files: bool) -> TaskFacts:
    """Reads the facts that the reasons are derived from."""
    state = swarm.get(tx)
    view = views.task(tx, task.key)
    members = list(live.members.values())
    definition = views.definition(tx, task.key)
    with_files = _needs_files(definition, members, exclusive_files=exclusive_files)
    return TaskFacts(
        task=task,
        definition=definition,
        mode=state.mode,
        mode_cause=state.cause,
        unmet=tasks.unmet_dependencies(tx, task.key),
        holder=view.worker,
        held={member.identity.name: attempts.open_count(tx, member.key) for member in members},
        paused={
            swarm.pause_key(found.runner, found.worker): found.cause for found in swarm.paused_runners(tx)
        },
        name_holders=_name_holders(tx, needs_of(definition, with_files=with_files)),
    )


def _needs_files(
    definition: TaskDefinition, members: Sequence[ConnectedWorker], *, exclusive_files: bool
) -> bool:
    """Returns whether some worker that the task fits would have it share its files with other tasks."""
    fitting = [member.identity for member in members if member.takes_claims and _fits(member, definition)]
    if not fitting:
        return exclusive_files or definition.workspace is not WorkspaceKind.CLONE
    return any(needs_files(definition, identity, exclusive_files=exclusive_files) for identity in fitting)


def _name_holders(tx: ReadTx, needs: Needs) -> Sequence[Holder]:
    held = [name for name in needs.names if exclusive_names.room(tx, name).room <= 0]
    if needs.files:
        held += exclusive_names.overlapping(tx, needs.files, limit=SHOWN_HOLDERS)
    return exclusive_names.holders(tx, held, limit=SHOWN_HOLDERS) if held else []


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
    return [*found, *_names(facts), *_workers(facts, live)]


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


def _names(facts: TaskFacts) -> Sequence[Reason]:
    found = []
    by_name = groupby(sorted(facts.name_holders, key=attrgetter("name")), key=attrgetter("name"))
    for name, group in by_name:
        holders = list(group)
        what = f"the file {name[1:]}" if name.startswith("/") else name
        held_by = " and ".join(
            f"task {one.task_id} at worker {one.worker} since {_time_of_day(one.claimed_us)}"
            for one in holders
        )
        ids = [one.task_id for one in holders]
        found.append(Reason(ReasonKind.NAME_HELD, f"it waits for {what}, held by {held_by}", ids))
    return found


def _time_of_day(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%H:%M:%S} UTC"


def _workers(facts: TaskFacts, live: LiveState) -> Sequence[Reason]:
    members = [member for member in live.members.values() if member.takes_claims]
    if not members:
        return [Reason(ReasonKind.NO_WORKER, "no worker is connected; start one with `swarm-worker`")]
    fitting = [member for member in members if _fits(member, facts.definition)]
    if not fitting:
        wanted = ", ".join(f"{key}={value}" for key, value in facts.definition.labels.items())
        return [Reason(ReasonKind.NO_LABEL, f"no connected worker has the labels {wanted}")]
    pauses = {_pause(member, facts) for member in fitting}
    if "" not in pauses:
        why = "; ".join(sorted(pauses))
        return [Reason(ReasonKind.RUNNER_PAUSED, f"no runner may start sessions: {why}")]
    names = [member.identity.name for member in fitting]
    holds = [f"{name} {hold}" for name in names if (hold := live.provider_holds.describe(name))]
    if len(holds) == len(fitting):
        return [Reason(ReasonKind.RUNNER_PAUSED, f"the workers wait for their provider: {'; '.join(holds)}")]
    if all(_full(member, facts) for member in fitting):
        slots = sum(member.identity.slots for member in fitting)
        return [Reason(ReasonKind.NO_SLOT, f"all {slots} slots of the workers that fit are in use")]
    return []


def _fits(member: ConnectedWorker, definition: TaskDefinition) -> bool:
    return fits(member.identity, demands(definition))


def _pause(member: ConnectedWorker, facts: TaskFacts) -> str:
    """Returns why the worker's runner is paused, empty if it is not."""
    runner, name = member.identity.runner, member.identity.name
    if (cause := facts.paused.get(runner)) is not None:
        return f"{runner}: {cause}"
    cause = facts.paused.get(swarm.pause_key(runner, name))
    return "" if cause is None else f"{runner} at worker {name}: {cause}"


def _full(member: ConnectedWorker, facts: TaskFacts) -> bool:
    return facts.held.get(member.identity.name, 0) >= member.identity.slots
