"""State of landings, small enough to explore whole: two tasks, a few workers, and a branch that all of them land on.

Here a claim is heard at once; `model.protocol` has the messages of claims, starts and orders. Invariant: every change
of a task's status goes through `advance`. Commits have no names: a commit is its place on the branch, from 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from swarmd.domain.lifecycle import TaskStatus, Transition, advance
from swarmd.domain.model import AttemptOutcome, OutcomeKind

# The author of a commit that no task has made.
PERSON = -1


@dataclass(frozen=True, slots=True)
class LandingBounds:
    """The numbers of workers and tasks, and the number of times that each thing may happen."""

    workers: int = 2
    tasks: int = 2
    attempts: int = 2
    failures: int = 1
    # How often a task may fail to land.
    conflicts: int = 1
    worker_crashes: int = 0
    server_crashes: int = 0
    # How often a worker is cut off from the server for so long that it ends its sessions.
    silences: int = 0
    # How often a worker goes on although its lease was given up.
    zombies: int = 0
    kills: int = 0
    retries: int = 0
    restores: int = 0
    # How often a person commits on the branch.
    pushes: int = 0
    # How many of the tasks, from the first on, say `land: false`.
    kept: int = 0
    # How often an operator orders a landing of kept work, and how often a worker does not find that work.
    orders: int = 0
    missing: int = 0
    # How often a claim is taken back from a worker that was silent for a short while, and goes on.
    suspicions: int = 0
    # How often all tasks are removed and added again.
    recreations: int = 0
    # How often a person has completed work done again: by a rejection, or by running the task once more.
    reruns: int = 0


@dataclass(frozen=True, slots=True)
class LandingRules:
    """The rules that make landings safe. Each rule taken away is a mutant that the checker must catch."""

    one_right: bool = True  # one attempt at a time may land
    right_is_durable: bool = True  # a restart of the server grants it to nobody else
    right_ends_with_attempt: bool = True  # an attempt that has ended stands in nobody's way
    kill_denies_right: bool = True  # an attempt that is being killed gets an order in place of the right
    compares_tip: bool = True  # the branch moves only from the tip that was looked at
    checks_again: bool = True  # a tip that has moved is combined and checked again
    looks_before_session: bool = True  # an attempt that follows another one looks for its landing first
    looks_after_restore: bool = True  # so does the first attempt in a restored database
    restore_forgets_tips: bool = (
        True  # which looks at the whole branch: no tip of that database is old enough
    )
    looks_before_landing: bool = True  # and each attempt looks again before it lands
    landing_is_proof: bool = True  # without a landing, a task of which one is demanded is not completed
    lease_before_landing: bool = True  # a worker that may not run sessions does not land
    tip_never_goes_back: bool = True  # the landing that is heard last is not always the last landing
    reopening_keeps_work: bool = True  # an order to land starts from the accepted work
    start_survives_ends: bool = True  # and so does each attempt after one that was released or lost
    landing_starts_no_session: bool = True  # an attempt that lands kept work builds nothing
    landing_looks: bool = True  # it looks for a landing of its task, from the base of that work on
    right_is_go: bool = (
        True  # it is a claim no more, once it may land: nobody takes it back, or kills it at once
    )
    missing_work_withdraws: bool = True  # work that is not found leaves the task as it was
    creation_is_own: bool = True  # a task that was added again does not find its predecessor's landing
    rerun_is_own: bool = True  # nor does a task that runs again find what it landed before


class WorkPhase(StrEnum):
    """The steps of an attempt at its worker."""

    IDLE = "idle"
    LOOKING = "looking"  # looks for a landing of its task, before any session
    BUILDING = "building"
    WAITING = "waiting"  # for the right to land
    SCANNING = "scanning"  # looks for a landing of its task, with the right to land
    CHECKING = "checking"  # runs the checks on the combination
    SWAPPING = "swapping"  # about to move the branch


# A worker in one of these phases believes that it has the right.
LANDING = frozenset({WorkPhase.SCANNING, WorkPhase.CHECKING, WorkPhase.SWAPPING})


class LandingLease(NamedTuple):
    """The right to one attempt of a creation of a task."""

    epoch: int
    task: int
    number: int


class LandingAttempt(NamedTuple):
    """An attempt in the store. Any landing of its task comes after `since`; `place` is 0 if it never asked.

    `work_of` is the number of the attempt whose work it lands, 0 if its own; `base` is where kept work began.
    """

    lease: LandingLease
    worker: int
    since: int
    place: int = 0
    outcome: AttemptOutcome | None = None
    work_of: int = 0
    base: int = 0
    landed: bool = False
    conflicted: bool = False
    missing: bool = False


class LandingTask(NamedTuple):
    """A task in the store."""

    status: TaskStatus = TaskStatus.NOT_STARTED
    number: int = 0
    failures: int = 0
    conflicts: int = 0
    # The attempt whose accepted work is to land, and whether the next attempt starts by that.
    work_of: int = 0
    starts_landing: bool = False
    creation: int = 1
    # A ghost: the length of the branch when a person had completed work done again.
    again_at: int = 0


class Ledger(NamedTuple):
    """The durable state of the server. `tip_place` is the place of the attempt whose landing set the tip."""

    tasks: tuple[LandingTask, ...]
    attempts: tuple[LandingAttempt, ...] = ()
    epoch: int = 1
    places: int = 0
    tip: int = 0
    tip_place: int = 0


class Finish(NamedTuple):
    """An outcome. `commit` is the place of the task's commit, 0 if it names no landing."""

    lease: LandingLease
    worker: int
    kind: OutcomeKind
    commit: int = 0
    found: bool = False
    conflict: bool = False
    base: int = 0
    missing: bool = False


class LandingWorker(NamedTuple):
    """A worker. `seen` is the tip that it combined with, `checked` the one on which the checks ran.

    `work_of` is the number of the attempt whose kept work it lands, 0 if its own.
    """

    up: bool = True
    fence: bool = True
    phase: WorkPhase = WorkPhase.IDLE
    lease: LandingLease | None = None
    since: int = 0
    base: int = 0
    seen: int = 0
    checked: int = 0
    work_of: int = 0
    creation: int = 1
    outbox: frozenset[Finish] = frozenset()


class Commit(NamedTuple):
    """A commit on the branch: its task, the tip on which its checks ran, and the creation of the task."""

    task: int
    checked: int
    creation: int = 1


class LandingCounts(NamedTuple):
    """The number of times that each bounded thing has happened."""

    worker_crashes: int = 0
    server_crashes: int = 0
    silences: int = 0
    zombies: int = 0
    kills: int = 0
    retries: int = 0
    restores: int = 0
    pushes: int = 0
    orders: int = 0
    missing: int = 0
    suspicions: int = 0
    recreations: int = 0
    reruns: int = 0


class LandingState(NamedTuple):
    """The state of everything."""

    ledger: Ledger
    workers: tuple[LandingWorker, ...]
    branch: tuple[Commit, ...] = ()
    up: bool = True
    sent: frozenset[Finish] = frozenset()
    copy: Ledger | None = None
    counts: LandingCounts = LandingCounts()


LandingStep = tuple[str, LandingState]


def first_state(bounds: LandingBounds) -> LandingState:
    """Returns the first state."""
    ledger = Ledger(tuple(LandingTask() for _ in range(bounds.tasks)))
    return LandingState(ledger, tuple(LandingWorker() for _ in range(bounds.workers)))


def counted(state: LandingState, name: str) -> LandingState:
    """Returns the state with one more of the named count."""
    return state._replace(counts=state.counts._replace(**{name: getattr(state.counts, name) + 1}))


def may_happen(state: LandingState, bounds: LandingBounds, name: str) -> bool:
    """Returns whether the named thing may happen once more."""
    return bool(getattr(state.counts, name) < getattr(bounds, name))


def place_of(state: LandingState, task: int, *, after: int, until: int, creation: int) -> int:
    """Returns the place of the task's commit among those after `after` and up to `until`; 0 if there is none.

    A `creation` of 0 fits any.
    """
    for place in range(after + 1, until + 1):
        commit = state.branch[place - 1]
        if commit.task == task and creation in (0, commit.creation):
            return place
    return 0


def with_task(ledger: Ledger, index: int, change: Callable[[LandingTask], LandingTask]) -> Ledger:
    """Returns the store with one task changed."""
    tasks = list(ledger.tasks)
    tasks[index] = change(tasks[index])
    return ledger._replace(tasks=tuple(tasks))


def moved(ledger: Ledger, index: int, transition: Transition) -> Ledger:
    """Changes the status of a task by the lifecycle table."""
    return with_task(
        ledger, index, lambda task: task._replace(status=advance(f"t{index}", task.status, transition))
    )


def with_attempt(ledger: Ledger, old: LandingAttempt, new: LandingAttempt) -> Ledger:
    """Returns the store with one attempt replaced."""
    return ledger._replace(attempts=tuple(new if found is old else found for found in ledger.attempts))


def open_attempt(ledger: Ledger, task: int) -> LandingAttempt | None:
    """Returns the attempt of the task that has not ended."""
    return next((a for a in ledger.attempts if a.lease.task == task and a.outcome is None), None)


def find_attempt(ledger: Ledger, lease: LandingLease, worker: int) -> LandingAttempt | None:
    """Returns the attempt of that lease."""
    return next((a for a in ledger.attempts if a.lease == lease and a.worker == worker), None)


def holder(ledger: Ledger, rules: LandingRules) -> LandingAttempt | None:
    """Returns the attempt that has the right to land: of those that have asked and not ended, the first."""
    asked = [
        a for a in ledger.attempts if a.place and (a.outcome is None or not rules.right_ends_with_attempt)
    ]
    return min(asked, key=lambda attempt: attempt.place, default=None)


def with_agent(state: LandingState, index: int, worker: LandingWorker) -> LandingState:
    """Returns the state with one worker replaced."""
    return state._replace(workers=(*state.workers[:index], worker, *state.workers[index + 1 :]))
