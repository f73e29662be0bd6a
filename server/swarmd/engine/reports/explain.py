"""Reasons why a task waits, from the same facts by which claims are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

from swarmd.domain.definition import TaskDefinition
from swarmd.domain.exclusive import Needs, needs_of
from swarmd.domain.holds import Hold, HoldKind
from swarmd.domain.landing import KeptWork, StartPoint
from swarmd.domain.lifecycle import FINAL, LEASED, TaskStatus
from swarmd.domain.model import PausedRunner, SwarmMode, Task, TaskKey
from swarmd.domain.placement import demands, fits
from swarmd.domain.shared_budget import raise_command
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.engine.dispatch.exclusion import needs_files
from swarmd.engine.dispatch.funds import Lack, lack_of
from swarmd.engine.live.retry_timers import RetryTimers
from swarmd.engine.live.state import ConnectedWorker, LiveState
from swarmd.engine.reports.reasons import Reason, ReasonKind, lack_reason, unfit
from swarmd.store import attempts, exclusive_names, holds, landings, runner_pauses, swarm, tasks
from swarmd.store.exclusive_names import Holder
from swarmd.store.landings import Ahead, Turn
from swarmd.store.reads import views
from swarmd.store.transaction import ReadTx

# The most holders of names that are shown.
SHOWN_HOLDERS: Final = 5


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
    paused: Sequence[PausedRunner]
    # The attempts that hold what the task needs.
    name_holders: Sequence[Holder]
    # None unless its attempt wants to land.
    landing: "LandingFacts | None"
    # The accepted work that has not landed, if a ref keeps it.
    kept: KeptWork | None
    # None unless it is held.
    hold: Hold | None = None
    # The budget that has no room for it at any worker that it fits; None unless it could start otherwise.
    lack: Lack | None = None


@dataclass(frozen=True, slots=True)
class LandingFacts:
    """The place of an attempt among those that want to land on its target."""

    turn: Turn
    # Those before it, the one that has the right first.
    ahead: Sequence[Ahead]


def read_facts(tx: ReadTx, task: Task, live: LiveState, *, exclusive_files: bool) -> TaskFacts:
    """Reads the facts that the reasons are derived from."""
    state = swarm.get(tx)
    view = views.task(tx, task.key)
    workers = list(live.workers.values())
    definition = views.claimed_definition(tx, task)
    with_files = _needs_files(definition, workers, exclusive_files=exclusive_files)
    return TaskFacts(
        task=task,
        definition=definition,
        mode=state.mode,
        mode_cause=state.cause,
        unmet=tasks.unmet_dependencies(tx, task.key),
        holder=view.worker,
        held={worker.identity.name: attempts.open_count(tx, worker.key) for worker in workers},
        paused=runner_pauses.find_all(tx),
        name_holders=_name_holders(tx, needs_of(definition, with_files=with_files)),
        landing=_landing(tx, task) if task.status in LEASED else None,
        kept=_kept(tx, task) if task.work_of or task.status is TaskStatus.COMPLETED else None,
        hold=holds.lasting(tx, task.key) if task.status is TaskStatus.HELD else None,
        lack=_lack(tx, task, definition, workers) if task.ready else None,
    )


def _lack(
    tx: ReadTx, task: Task, definition: TaskDefinition, workers: Sequence[ConnectedWorker]
) -> Lack | None:
    fitting = [worker.identity for worker in workers if worker.takes_claims and _fits(worker, definition)]
    return lack_of(tx, task, fitting)


def _landing(tx: ReadTx, task: Task) -> LandingFacts | None:
    record = attempts.find(tx, task.key, task.attempt)
    if record is None or record.target_key is None or record.landing_place is None:
        return None
    return LandingFacts(
        landings.turn(tx, record.lease.attempt_key),
        landings.ahead(tx, record.target_key, place=record.landing_place),
    )


def _kept(tx: ReadTx, task: Task) -> KeptWork | None:
    accepted = landings.accepted_work(tx, task.key)
    if accepted is None or accepted.landed or not accepted.work.ref:
        return None
    return accepted.work


def _needs_files(
    definition: TaskDefinition, workers: Sequence[ConnectedWorker], *, exclusive_files: bool
) -> bool:
    """Returns whether some worker that the task fits would have it share its files with other tasks."""
    fitting = [worker.identity for worker in workers if worker.takes_claims and _fits(worker, definition)]
    if not fitting:
        return exclusive_files or definition.workspace is not WorkspaceKind.CLONE
    return any(needs_files(definition, identity, exclusive_files=exclusive_files) for identity in fitting)


def _name_holders(tx: ReadTx, needs: Needs) -> Sequence[Holder]:
    held = [name for name in needs.names if exclusive_names.room(tx, name).room <= 0]
    if needs.files:
        held += exclusive_names.overlapping(tx, needs.files, limit=SHOWN_HOLDERS)
    return exclusive_names.holders(tx, held, limit=SHOWN_HOLDERS) if held else []


def reasons(facts: TaskFacts, live: LiveState, timers: RetryTimers[TaskKey]) -> Sequence[Reason]:
    """Returns every reason, the root first; empty if the task can start at once."""
    task = facts.task
    if task.status in FINAL:
        why = f": {task.cause}" if task.cause else f": {task.last_error}" if task.last_error else ""
        ended = Reason(ReasonKind.ENDED, f"it is {task.status}{why}")
        return [ended, *_kept_work(facts)]
    if task.status in LEASED:
        doing = {
            TaskStatus.CLAIMED: "holds it and has not started it yet",
            TaskStatus.IN_PROGRESS: f"lands the work of attempt {task.work_of}"
            if task.starts_at is StartPoint.LANDING
            else "is working on it",
            TaskStatus.KILLING: "was ordered to end it and has not yet proven that it has",
        }[task.status]
        held = Reason(ReasonKind.HELD, f"worker {facts.holder} {doing} (attempt {task.attempt})")
        return [held, *_turns(facts)]
    if facts.hold is not None:
        return [_hold(task, facts.hold)]
    found = [*_swarm(facts), *_dependencies(facts)]
    wait_s = timers.remaining_s(task.key)
    if wait_s is not None:
        found.append(Reason(ReasonKind.BACKOFF, f"its next attempt may start in {wait_s:.0f} s"))
    lacks = [lack_reason(facts.lack)] if facts.lack is not None else []
    return [*found, *_names(facts), *lacks, *_workers(facts, live)]


def _kept_work(facts: TaskFacts) -> Sequence[Reason]:
    """Returns where the accepted work of an ended task is, if it has not landed."""
    if facts.kept is None:
        return []
    ref, task_id = facts.kept.ref, facts.task.task_id
    return [Reason(ReasonKind.LANDING, f"its work is kept as {ref}; `swarmctl land {task_id}` lands it")]


def _hold(task: Task, hold: Hold) -> Reason:
    """Returns what a held task waits for, with the command that ends the wait."""
    if hold.kind is HoldKind.SUSPENDED:
        who = f" by {hold.held_by}" if hold.held_by else ""
        message = f"it is held{who}: {hold.text}; `swarmctl unhold {task.task_id}` lets it start"
    elif hold.kind is HoldKind.NO_PROGRESS:
        settle = f"`swarmctl answer {task.task_id} TEXT` says what to do, `swarmctl unhold {task.task_id}` tries again"
        message = f"it makes no progress: {hold.text}; {settle}"
    elif hold.kind is HoldKind.APPROVAL:
        settle = f"`swarmctl approve {task.task_id}`, or `swarmctl reject {task.task_id} --because TEXT`"
        message = f"a person has to approve: {hold.text} {settle}"
    elif hold.kind is HoldKind.BUDGET:
        own = f"swarmctl budget {task.task_id} --add DOLLARS"
        raises = f"`{own if hold.budget is None else raise_command(*hold.budget)}` lets it go on"
        message = f"its budget is used up: {hold.text}; {raises}"
    else:
        options = "".join(f" [{number}] {option}" for number, option in enumerate(hold.options, 1))
        given = "--option N" if hold.options else "TEXT"
        message = f"its builder asks: {hold.text}{options}; `swarmctl answer {task.task_id} {given}` answers"
    return Reason(ReasonKind.ON_HOLD, message)


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


def _turns(facts: TaskFacts) -> Sequence[Reason]:
    """Returns why its work is not on the target yet."""
    if facts.landing is None:
        return []
    turn, ahead = facts.landing.turn, facts.landing.ahead
    if not ahead:
        since = "" if turn.since_us is None else f" since {_rfc3339(turn.since_us)}"
        return [Reason(ReasonKind.LANDING, f"its work lands on {turn.target}{since}")]
    first = ahead[0]
    since = "" if first.since_us is None else f" since {_rfc3339(first.since_us)}"
    message = (
        f"its work waits to land on {turn.target}: {len(ahead)} before it"
        f" (task {first.task_id} at worker {first.worker} lands now{since})"
    )
    return [Reason(ReasonKind.LANDING, message, [one.task_id for one in ahead])]


def _names(facts: TaskFacts) -> Sequence[Reason]:
    found = []
    by_name = groupby(sorted(facts.name_holders, key=attrgetter("name")), key=attrgetter("name"))
    for name, group in by_name:
        holders = list(group)
        what = f"the file {name[1:]}" if name.startswith("/") else name
        held_by = " and ".join(
            f"task {one.task_id} at worker {one.worker} since {_rfc3339(one.claimed_us)}" for one in holders
        )
        ids = [one.task_id for one in holders]
        found.append(Reason(ReasonKind.NAME_HELD, f"it waits for {what}, held by {held_by}", ids))
    return found


def _rfc3339(time_us: int) -> str:
    """Returns a time as clients recognise it in a text, and show it in the reader's time zone."""
    return f"{datetime.fromtimestamp(time_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _workers(facts: TaskFacts, live: LiveState) -> Sequence[Reason]:
    workers = [worker for worker in live.workers.values() if worker.takes_claims]
    if not workers:
        return [Reason(ReasonKind.NO_WORKER, "no worker is connected; start one with `swarm-worker`")]
    fitting = [
        worker
        for worker in workers
        if _fits(worker, facts.definition, work_in="" if facts.kept is None else facts.kept.repository)
    ]
    if not fitting:
        able = any(_fits(worker, facts.definition) for worker in workers)
        identities = [worker.identity for worker in workers]
        return [unfit(facts.definition, identities, kept=facts.kept if able else None)]
    pauses = {_pause(worker, facts) for worker in fitting}
    if "" not in pauses:
        why = "; ".join(sorted(pauses))
        return [Reason(ReasonKind.RUNNER_PAUSED, f"no runner may start sessions: {why}")]
    names = [worker.identity.name for worker in fitting]
    holds = [f"{name} {hold}" for name in names if (hold := live.provider_holds.describe(name))]
    if len(holds) == len(fitting):
        why = "; ".join(holds)
        return [Reason(ReasonKind.PROVIDER_LIMITED, f"the workers wait for their provider: {why}")]
    if all(_full(worker, facts) for worker in fitting):
        slots = sum(worker.identity.slots for worker in fitting)
        return [Reason(ReasonKind.NO_SLOT, f"all {slots} slots of the workers that fit are in use")]
    return []


def _fits(worker: ConnectedWorker, definition: TaskDefinition, *, work_in: str = "") -> bool:
    return fits(worker.identity, demands(definition, work_in=work_in))


def _pause(worker: ConnectedWorker, facts: TaskFacts) -> str:
    """Returns why the worker's runner may not start the task, empty if it may: its own pause, or one everywhere."""
    runner, name = worker.identity.runner, worker.identity.name
    for pause in facts.paused:
        if pause.runner != runner or pause.worker not in {"", name}:
            continue
        if pause.half_open and not pause.probe_task_id:
            continue
        where = f"{runner} at worker {name}" if pause.worker else runner
        tried = f"task {pause.probe_task_id} is tried first; " if pause.probe_task_id else ""
        return f"{where}: {tried}{pause.cause}"
    return ""


def _full(worker: ConnectedWorker, facts: TaskFacts) -> bool:
    return facts.held.get(worker.identity.name, 0) >= worker.identity.slots
