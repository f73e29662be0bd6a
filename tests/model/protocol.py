"""Protocol of swarm and workers, as a state machine small enough to explore whole: one task, few workers.

Invariant: every change of the task's status goes through `advance`, so the model follows the table that
the server follows. Messages are a set that only grows: each may be delivered late, again, in any order or
never. Secrets of leases are left out: what holds here holds by epoch and number alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.lifecycle import LEASED, TaskStatus, Transition, advance
from swarmd.domain.model import AttemptOutcome, OutcomeKind, SwarmMode


@dataclass(frozen=True, slots=True)
class Bounds:
    """The number of workers, and the number of times that each thing may happen."""

    workers: int = 2
    attempts: int = 2
    failures: int = 1
    worker_crashes: int = 0
    server_crashes: int = 0
    silences: int = 0
    kills: int = 0
    retries: int = 0
    stops: int = 0
    requeues: int = 0
    accepts: int = 0
    restores: int = 0
    forgets: int = 0
    # How often a session stops its guard.
    stopped_guards: int = 0
    # How often a builder asks a person, and how often an operator holds the task.
    questions: int = 0
    suspensions: int = 0
    # How often a running session asks a person and waits in place, until it is answered or parks the task.
    calls: int = 0
    # Where the task waits for an approval, and how often a person rejects what it waits for.
    approve: ApprovalPoint | None = None
    rejections: int = 0
    # How often a session reports that it has passed a cap of its task.
    overspends: int = 0
    # How often a person asks for the validator alone, of a task that has failed.
    judgements: int = 0
    # The task lets its sessions outlast the server's silence; the price is that two may live at once.
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that make the protocol safe. Each rule taken away is a mutant that the checker must catch."""

    lease_decides: bool = True  # a result counts for the lease that it carries, for no other
    go_before_spawn: bool = True  # no process before the go
    stop_is_durable: bool = True  # a restart of the server does not end an emergency stop
    stop_ends_claims: bool = True  # it ends what is claimed and not started, too
    stop_holds_claims: bool = True  # nothing is claimed while it holds
    kill_is_durable: bool = True  # a kill is in the store, not only on its way
    order_outlives_restart: bool = True  # and is ordered again after a restart
    kill_beats_result: bool = True  # a result that comes after the kill is only kept
    killed_stays_killed: bool = True  # it is never retried by itself
    newer_kill_counts: bool = True  # an operator's kill of what a stop is ending takes it from the requeue
    epoch_grows: bool = True  # a restored database begins a new epoch
    newer_start_counts: bool = True  # a lost attempt can't complete any more once another one has started
    kill_beats_late_result: bool = True  # nor once the task was killed
    counted_once: bool = True  # the same outcome again changes nothing
    fence_before_loss: bool = True  # the server waits until the worker must have stopped by itself
    fence_at_go: bool = True  # a go that comes after that starts nothing
    doomed_is_ordered: bool = True  # a lease that is being given up is not extended any more
    guards_before_restart: bool = True  # a new process of a worker waits for the sessions of the old one
    silent_guard_is_killed: bool = True  # a due end comes although the guard was stopped
    silent_guard_before_restart: bool = True  # a new process ends the session of a guard that was stopped
    faults_are_charged: bool = True  # a worker that fails before the go uses up a retry, so it can't loop
    forgotten_is_gone: bool = (
        True  # an operator forgets only a worker whose machine is gone: that word is the proof
    )
    joins_in_order: bool = True  # a join that was overtaken by a newer one counts for nothing
    hold_is_durable: bool = True  # a restart of the server frees no held task
    held_is_not_claimed: bool = True  # a held task is given to nobody
    answer_names_its_hold: bool = True  # an answer that is heard again does not answer the next question
    kill_ends_hold: bool = True  # a kill reaches a held task, and no answer brings the task back
    start_waits: bool = True  # a task whose start has to be approved is given to nobody before
    reopening_ends_approval: bool = True  # an approval of a start counts for no later retry by an operator
    approval_names_its_hold: bool = True  # an approval that is heard again approves no later work
    late_work_waits: bool = True  # the result of a lost attempt waits for its approval too
    cap_ends_session: bool = True  # a session that has passed a cap is ordered to end
    cap_outlives_restart: bool = True  # and is ordered again after a restart
    cap_holds_claims: bool = True  # a task whose cap is used up is held, and not claimed
    token_ends_with_lease: bool = (
        True  # a call of a session whose attempt has ended, or is to end, writes nothing
    )
    parked_is_ended: bool = True  # a session that asks has ended before its task is held
    answer_meets_park: bool = True  # a task that parks with an answered question waits for nobody
    cap_costs_no_retry: bool = True  # the end of such a session holds its task, and uses up no retry
    judgement_needs_verdict: bool = True  # an attempt that only judges completes by its verdict alone
    judgement_is_final: bool = True  # if it does not succeed, no builder follows by itself
    judgement_survives_ends: bool = (
        True  # an attempt that was released or lost is followed by one that judges
    )


class Phase(StrEnum):
    """The use of a worker's slot."""

    IDLE = "idle"
    ASKING = "asking"
    RUNNING = "running"


class Lease(NamedTuple):
    """A lease. `grant` is a ghost: it names the one claim that made the lease, and no program sees it."""

    epoch: int
    number: int
    grant: int

    def looks_like(self, other: "Lease") -> bool:
        """Returns whether a program takes the two leases for the same."""
        return self.epoch == other.epoch and self.number == other.number


class Attempt(NamedTuple):
    """An attempt in the store."""

    lease: Lease
    worker: int
    outcome: AttemptOutcome | None
    # It starts at the validator, with the work that an earlier attempt has left.
    judges: bool = False


class Worker(NamedTuple):
    """A worker process, the session that its guard guards, and its disk."""

    life: int = 1
    up: bool = True
    opened: bool = False  # the first stream of this process was opened: that word counts as a heartbeat
    joined: bool = False
    fence: bool = False  # it has been heard lately enough to run sessions
    phase: Phase = Phase.IDLE
    lease: Lease | None = None
    session: Lease | None = None  # alive; outlives the worker until the guard has ended it
    silent: bool = False  # the guard was stopped, and does nothing by itself
    outbox: frozenset[Lease] = frozenset()

    def may_run(self, lease: Lease, *, silence_is_noticed: bool) -> bool:
        """Returns whether a session of the lease lives, or may start without another heartbeat.

        The server's wait covers a session that ends in time. It covers no session whose silent guard nobody notices.
        """
        guarded = self.session == lease and (silence_is_noticed or not self.silent or self.fence)
        return guarded or (self.up and self.fence and self.lease == lease)


class Store(NamedTuple):
    """The durable state of the server."""

    mode: SwarmMode = SwarmMode.RUNNING
    status: TaskStatus = TaskStatus.NOT_STARTED
    epoch: int = 1
    number: int = 0
    failures: int = 0
    interrupted: bool = False
    attempts: tuple[Attempt, ...] = ()
    archive: frozenset[Lease] = frozenset()
    # How many holds there were; the last one lasts while the status is HELD.
    holds: int = 0
    # What the last hold asks to be approved, and the lease whose work that is; an approval of the start in force.
    asks_for: ApprovalPoint | None = None
    work: Lease | None = None
    approve: ApprovalPoint | None = None
    approved: bool = False
    # A cap is used up. A person raises it.
    spent: bool = False
    # The lease whose session waits in place for the answer to the last hold.
    asked: Lease | None = None
    # The next attempt starts at the validator.
    judges: bool = False

    @property
    def open(self) -> Attempt | None:
        """The attempt that has not ended."""
        return next((found for found in reversed(self.attempts) if found.outcome is None), None)


class Counts(NamedTuple):
    """The number of times that each bounded thing has happened."""

    worker_crashes: int = 0
    server_crashes: int = 0
    silences: int = 0
    kills: int = 0
    retries: int = 0
    stops: int = 0
    requeues: int = 0
    accepts: int = 0
    restores: int = 0
    stopped_guards: int = 0
    questions: int = 0
    suspensions: int = 0
    overspends: int = 0
    raises: int = 0
    forgets: int = 0
    rejections: int = 0
    calls: int = 0
    judgements: int = 0


class Message(NamedTuple):
    """A message. `life` names the worker process that may get an answer."""

    kind: str
    worker: int
    lease: Lease
    life: int = 0
    outcome: OutcomeKind | None = None
    held: frozenset[Lease] = frozenset()
    # The builder asks; of an answer, and of what parks, the number of the hold.
    asks: bool = False
    hold: int = 0
    verdict: bool = True


class State(NamedTuple):
    """The state of everything. The last eleven fields are ghosts, for the invariants alone."""

    store: Store
    workers: tuple[Worker, ...]
    up: bool = True
    ordered: bool = False  # the order to end the open lease stands in memory
    doomed: bool = False  # the reaper has decided to give the open lease up, and not yet written it
    sent: frozenset[Message] = frozenset()
    copy: Store | None = None
    counts: Counts = Counts()
    grants: int = 0
    accepted: tuple[Lease, ...] = ()
    kill_promised: bool = False  # an operator's kill was acknowledged and not taken back by a retry
    stop_promised: bool = False
    hold_promised: bool = False  # the task is held, and nobody has answered that hold yet
    start_promised: bool = False  # a person approved the start since the task was reopened
    answered: frozenset[int] = frozenset()  # the holds that a person has answered
    nods: frozenset[Lease] = frozenset()  # the leases whose work a person has seen and approved
    unproven: frozenset[Lease] = frozenset()  # the leases of completed attempts without a verdict
    judging: bool = False  # a person asked for the validator alone, and for nothing else since


class Violation(Exception):
    """A broken invariant."""


Step = tuple[str, State]
NOBODY = Lease(0, 0, 0)


def begin(bounds: Bounds) -> State:
    """Returns the first state."""
    store = gated(Store(approve=bounds.approve))
    held = store.status is TaskStatus.HELD
    return State(store, tuple(Worker() for _ in range(bounds.workers)), hold_promised=held)


def move(store: Store, transition: Transition) -> Store:
    """Changes the status by the lifecycle table, the only way to another status."""
    return store._replace(status=advance("task", store.status, transition))


def end(store: Store, attempt: Attempt, outcome: AttemptOutcome, transition: Transition) -> Store:
    """Ends an attempt, and changes the task accordingly."""
    ended = tuple(found._replace(outcome=outcome) if found is attempt else found for found in store.attempts)
    return move(store._replace(attempts=ended, asked=None), transition)


def retry_or_give_up(
    store: Store, attempt: Attempt, outcome: AttemptOutcome, bounds: Bounds, *, final: bool = False
) -> Store:
    """Ends an attempt that did not succeed; if `final`, one that judges is the last."""
    failures = store.failures + 1
    if attempt.judges and outcome is AttemptOutcome.FAILED:
        store = store._replace(judges=False)
        if final:
            return end(store._replace(failures=failures), attempt, outcome, Transition.GIVE_UP)
    transition = Transition.RETRY if failures <= bounds.failures else Transition.GIVE_UP
    return end(store._replace(failures=failures), attempt, outcome, transition)


def hold(store: Store) -> Store:
    """Holds the task until a person settles what it waits for."""
    return move(store, Transition.HOLD)._replace(holds=store.holds + 1, asks_for=None, work=None)


def gated(store: Store) -> Store:
    """Holds a task that may be claimed, if its start has to be approved."""
    ready = store.status is TaskStatus.NOT_STARTED
    if not ready or store.approve is not ApprovalPoint.BEFORE_START or store.approved:
        return store
    return hold(store)._replace(asks_for=ApprovalPoint.BEFORE_START)


def await_nod(store: Store, attempt: Attempt) -> Store:
    """Ends an attempt whose work a person has to approve."""
    held = end(store, attempt, AttemptOutcome.COMPLETED, Transition.HOLD)
    return held._replace(holds=store.holds + 1, asks_for=ApprovalPoint.AFTER, work=attempt.lease)


def lose(store: Store, attempt: Attempt, bounds: Bounds) -> Store:
    """Ends the attempt of a worker that is gone for certain."""
    if store.status is TaskStatus.CLAIMED:
        return end(store, attempt, AttemptOutcome.RELEASED, Transition.RELEASE)
    if store.status is TaskStatus.KILLING:
        return end(store, attempt, AttemptOutcome.KILLED, Transition.FINISH_KILL)
    if store.spent:
        return end(store, attempt, AttemptOutcome.LOST, Transition.HOLD)._replace(holds=store.holds + 1)
    return retry_or_give_up(store, attempt, AttemptOutcome.LOST, bounds)


def count(state: State, **by: int) -> Counts:
    """Returns the counts with the named ones increased."""
    return state.counts._replace(**{name: getattr(state.counts, name) + n for name, n in by.items()})


def tell(state: State, *messages: Message) -> frozenset[Message]:
    """Returns all messages ever sent, with the new ones."""
    return state.sent | frozenset(messages)


def with_worker(state: State, index: int, worker: Worker) -> tuple[Worker, ...]:
    """Returns the workers with one of them replaced."""
    return (*state.workers[:index], worker, *state.workers[index + 1 :])


def doubles(state: State) -> set[int]:
    """Returns the workers that could change places with one of a smaller number, and nobody could tell.

    What one of the two can do, the other can do under its own number. So the steps of one show all faults. The
    place of a worker that an attempt names is its own.
    """
    found: set[int] = set()
    for index in range(1, len(state.workers)):
        for other in range(index):
            if state.workers[index] == state.workers[other] and _alike(state, index, other):
                found.add(index)
    return found


def _alike(state: State, one: int, other: int) -> bool:
    copies = (state.store,) if state.copy is None else (state.store, state.copy)
    if any(attempt.worker in (one, other) for store in copies for attempt in store.attempts):
        return False
    mine = {message for message in state.sent if message.worker == one}
    return mine == {message._replace(worker=one) for message in state.sent if message.worker == other}


def reopened(store: Store, *, keeps_approval: bool = False) -> Store:
    """Reopens the task."""
    store = move(move(store, Transition.REOPEN), Transition.UNBLOCK)
    return gated(
        store._replace(
            failures=0, interrupted=False, judges=False, approved=store.approved and keeps_approval
        )
    )


def freed(store: Store) -> Store:
    """Ends a hold."""
    return gated(move(move(store, Transition.UNHOLD), Transition.UNBLOCK))


def leased(store: Store) -> bool:
    """Returns whether a worker has the task."""
    return store.status in LEASED


def crashes(state: State, bounds: Bounds, spared: set[int]) -> Iterator[Step]:
    """Yields crashes of the server, and of workers that are not spared."""
    if state.up and state.counts.server_crashes < bounds.server_crashes:
        yield "server crashes", state._replace(up=False, counts=count(state, server_crashes=1))
    if state.counts.worker_crashes < bounds.worker_crashes:
        for index, worker in enumerate(state.workers):
            if worker.up and index not in spared:
                dead = Worker(
                    worker.life,
                    up=False,
                    session=worker.session,
                    silent=worker.silent,
                    outbox=worker.outbox,
                )
                workers = with_worker(state, index, dead)
                yield (
                    f"worker {index} crashes",
                    state._replace(workers=workers, counts=count(state, worker_crashes=1)),
                )
