"""Steps of the server: by itself, on a message, for an operator, and at its start."""

from collections.abc import Iterator

from model.protocol import (
    NOBODY,
    Attempt,
    Bounds,
    Lease,
    Message,
    Rules,
    State,
    Step,
    Store,
    Violation,
    await_nod,
    count,
    end,
    freed,
    hold,
    leased,
    lose,
    move,
    reopened,
    retry_or_give_up,
    tell,
    with_worker,
)
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.errors import InvalidStatus
from swarmd.domain.lifecycle import TRANSITIONS, TaskStatus, Transition
from swarmd.domain.model import AttemptOutcome, OutcomeKind, SwarmMode

_RETRIED = (TaskStatus.FAILED, TaskStatus.KILLED, TaskStatus.HELD)


def server_steps(state: State, bounds: Bounds, rules: Rules, spared: set[int]) -> Iterator[Step]:
    """Yields the next steps of a running server, without claims for workers that are spared."""
    yield from _grants(state, bounds, rules, spared)
    yield from _silence(state, bounds, rules)
    yield from _operators(state, bounds, rules)
    for message in state.sent:
        if message.kind in ("start", "finish", "answer", "approve", "reject", "usage", "ask") or (
            message.kind == "join" and not rules.joins_in_order
        ):
            yield _hears(state, message, bounds, rules)


def _hears(state: State, message: Message, bounds: Bounds, rules: Rules) -> Step:
    lease = f"{message.lease.epoch}-{message.lease.number}"
    name = f"server hears {message.outcome or message.kind} of {lease} from worker {message.worker}"
    try:
        if message.kind in ("start", "finish", "usage", "ask"):
            return name, _hears_of_session(state, message, bounds, rules)
        if message.kind == "answer":
            return f"server hears the answer to hold {message.hold}", _answered(state, message, rules)
        if message.kind == "approve":
            return f"server hears the approval of hold {message.hold}", _approved(state, message, rules)
        if message.kind == "reject":
            return f"server hears the rejection of hold {message.hold}", _rejected(state, message)
        return f"server hears an old join of worker {message.worker}", _join(state, message, bounds)
    except (Violation, InvalidStatus) as fault:
        fault.add_note(name)
        raise


def _hears_of_session(state: State, message: Message, bounds: Bounds, rules: Rules) -> State:
    if message.kind == "start":
        return _start(state, message, rules)
    if message.kind == "finish":
        return _finish(state, message, bounds, rules)
    if message.kind == "ask":
        return _asked(state, message, rules)
    return _overspent(state, message, rules)


def boot(state: State, rules: Rules) -> State:
    """Starts the server: builds memory from the store."""
    store = state.store
    if not rules.stop_is_durable:
        store = store._replace(mode=SwarmMode.RUNNING)
    if store.status is TaskStatus.HELD and not rules.hold_is_durable:
        store = freed(store)
    workers = tuple(worker._replace(joined=False) for worker in state.workers)
    ordered = store.status is TaskStatus.KILLING and rules.order_outlives_restart
    ordered = ordered or (leased(store) and store.spent and rules.cap_outlives_restart)
    return state._replace(up=True, store=store, workers=workers, ordered=ordered, doomed=False)


def join(state: State, index: int, bounds: Bounds) -> State:
    """Opens a worker's stream: an open attempt that the worker does not list has ended for certain."""
    worker = state.workers[index]
    listed = worker.outbox | ({worker.lease} if worker.lease else frozenset())
    message = Message("join", index, Lease(0, 0, 0), worker.life, held=listed)
    fence = worker.fence or not worker.opened
    seated = with_worker(state, index, worker._replace(opened=True, joined=True, fence=fence))
    return _join(state._replace(workers=seated, sent=tell(state, message)), message, bounds)


def _join(state: State, message: Message, bounds: Bounds) -> State:
    attempt = state.store.open
    if attempt is None or attempt.worker != message.worker:
        return state
    if any(lease.looks_like(attempt.lease) for lease in message.held):
        return state
    return _given_up(state, lose(state.store, attempt, bounds))


def _given_up(state: State, store: Store) -> State:
    return state._replace(store=store, ordered=False, doomed=False)


def _grants(state: State, bounds: Bounds, rules: Rules, spared: set[int]) -> Iterator[Step]:
    store = state.store
    stopped = store.mode is not SwarmMode.RUNNING and rules.stop_holds_claims
    asks_start = store.asks_for is ApprovalPoint.BEFORE_START
    waits = rules.start_waits if asks_start else rules.held_is_not_claimed
    if store.status is TaskStatus.HELD and not waits:
        store = freed(store._replace(approved=True))
    if stopped or store.status is not TaskStatus.NOT_STARTED or store.number >= bounds.attempts:
        return
    if store.spent and rules.cap_holds_claims:
        yield "server holds the task for its budget", state._replace(store=hold(store))
        return
    number, grant = store.number + 1, state.grants + 1
    lease = Lease(store.epoch, number, grant)
    for index, worker in enumerate(state.workers):
        if worker.joined and index not in spared:
            claimed = move(store, Transition.CLAIM)._replace(
                number=number,
                attempts=(*store.attempts, Attempt(lease, index, None, judges=_judges(store, rules))),
            )
            sent = tell(state, Message("claim", index, lease, worker.life))
            yield (
                f"server claims {number} for worker {index}",
                state._replace(store=claimed, grants=grant, sent=sent),
            )


def _judges(store: Store, rules: Rules) -> bool:
    """Returns whether the next attempt starts at the validator."""
    last = store.attempts[-1] if store.attempts else None
    cut_off = last is not None and last.judges and not rules.judgement_survives_ends
    return store.judges and not cut_off


def _silence(state: State, bounds: Bounds, rules: Rules) -> Iterator[Step]:
    store, attempt = state.store, state.store.open
    if attempt is None:
        return
    if store.status is TaskStatus.CLAIMED:
        released = end(store, attempt, AttemptOutcome.RELEASED, Transition.RELEASE)
        yield "server takes an unstarted claim back", _given_up(state, released)
        return
    if state.doomed:
        yield "server writes the loss", _given_up(state, lose(store, attempt, bounds))
        return
    worker, noticed = state.workers[attempt.worker], rules.silent_guard_is_killed
    may_run = worker.may_run(attempt.lease, silence_is_noticed=noticed)
    if bounds.keep or not (rules.fence_before_loss and may_run):
        yield "server decides on a loss", state._replace(doomed=True)


def _find(store: Store, message: Message) -> Attempt | None:
    return next(
        (
            found
            for found in store.attempts
            if found.worker == message.worker and found.lease.looks_like(message.lease)
        ),
        None,
    )


def _start(state: State, message: Message, rules: Rules) -> State:
    attempt = _find(state.store, message)
    if attempt is None or attempt.outcome is not None or state.store.status is TaskStatus.KILLING:
        return state._replace(sent=tell(state, message._replace(kind="stop")))
    if state.store.spent and rules.cap_holds_claims:
        return state._replace(sent=tell(state, message._replace(kind="stop")))
    if state.store.mode is SwarmMode.STOPPED:
        raise Violation("I5: a go while an emergency stop holds")
    store = move(state.store, Transition.GO)
    return state._replace(store=store, sent=tell(state, message._replace(kind="go")))


def _finish(state: State, message: Message, bounds: Bounds, rules: Rules) -> State:
    store = state.store
    attempt = _find(store, message) if rules.lease_decides else store.open
    if attempt is None or _is_unproven(store, attempt, message, rules):
        return state
    if attempt.outcome is not None:
        return _late(state, attempt, message, bounds, rules)
    if store.status is TaskStatus.KILLING and (rules.kill_beats_result or message.outcome != "completed"):
        dead = end(store, attempt, AttemptOutcome.KILLED, Transition.FINISH_KILL)
        if not rules.killed_stays_killed:
            dead = reopened(dead)
        return _given_up(state, _kept(dead, message, bounds))
    if store.status is TaskStatus.CLAIMED and not (
        message.outcome is OutcomeKind.FAILED and rules.faults_are_charged
    ):
        if message.outcome is OutcomeKind.FAILED:
            raise Violation(
                "I9: a fault of a worker before the go is free of charge, so it can repeat forever"
            )
        return _given_up(state, end(store, attempt, AttemptOutcome.RELEASED, Transition.RELEASE))
    if message.outcome is OutcomeKind.COMPLETED:
        return _accept(state, attempt, message)
    return _failed(state, attempt, message, bounds, rules)


def _is_unproven(store: Store, attempt: Attempt, message: Message, rules: Rules) -> bool:
    """Returns whether the worker says that the work is done, and the verdict is missing that it was to give."""
    completed = message.outcome is OutcomeKind.COMPLETED and store.status is not TaskStatus.KILLING
    return completed and attempt.judges and not message.verdict and rules.judgement_needs_verdict


def _failed(state: State, attempt: Attempt, message: Message, bounds: Bounds, rules: Rules) -> State:
    """Ends an attempt that did not succeed, that asks a person, or whose task may spend no more."""
    store = state.store
    if (
        store.spent
        and not message.asks
        and store.status is TaskStatus.IN_PROGRESS
        and rules.cap_costs_no_retry
    ):
        over = end(store, attempt, AttemptOutcome.FAILED, Transition.HOLD)
        return _given_up(state, over._replace(holds=store.holds + 1))
    if not message.asks:
        final = rules.judgement_is_final
        return _given_up(state, retry_or_give_up(store, attempt, AttemptOutcome.FAILED, bounds, final=final))
    if message.hold:
        return _parked(state, attempt, message, rules)
    asked = end(store, attempt, AttemptOutcome.FAILED, Transition.HOLD)
    return _given_up(state, asked._replace(holds=store.holds + 1))._replace(hold_promised=True)


def _asked(state: State, message: Message, rules: Rules) -> State:
    """Stores the question of a running session, once, for the lease that its token names."""
    store, attempt = state.store, _find(state.store, message)
    told = any(known.kind == "asked" and known.lease == message.lease for known in state.sent)
    if attempt is None or store.asked is not None or told:
        return state
    acts = attempt.outcome is None and store.status is TaskStatus.IN_PROGRESS
    if rules.token_ends_with_lease and not acts:
        return state
    asked = store._replace(holds=store.holds + 1, asked=attempt.lease)
    reply = message._replace(kind="asked", hold=asked.holds)
    return state._replace(store=asked, sent=tell(state, reply))


def _parked(state: State, attempt: Attempt, message: Message, rules: Rules) -> State:
    """Ends the attempt of a session that waited in place; its question holds the task, unless it was answered."""
    held = end(state.store, attempt, AttemptOutcome.FAILED, Transition.HOLD)
    if message.hold in state.answered and rules.answer_meets_park:
        return _given_up(state, freed(held))
    return _given_up(state, held)._replace(hold_promised=True)


def _overspent(state: State, message: Message, rules: Rules) -> State:
    """Notes that a cap is used up, and orders the session that runs to end."""
    attempt = _find(state.store, message)
    if attempt is None or state.store.spent or message.hold != state.counts.raises:
        return state
    over = state._replace(store=state.store._replace(spent=True))
    attempt = state.store.open  # the report may be about an earlier one
    if attempt is None or not rules.cap_ends_session:
        return over
    return over._replace(ordered=True, sent=tell(over, Message("stop", attempt.worker, attempt.lease)))


def _kept(store: Store, message: Message, bounds: Bounds) -> Store:
    """Archives a result that came too late, which an operator may accept."""
    if not bounds.accepts or message.outcome is not OutcomeKind.COMPLETED:
        return store
    return store._replace(archive=store.archive | {message.lease})


def _late(state: State, attempt: Attempt, message: Message, bounds: Bounds, rules: Rules) -> State:
    store = state.store
    if message.outcome is OutcomeKind.COMPLETED and _still_counts(store, attempt, rules):
        return _count_late(state, attempt, message, rules)
    if not rules.counted_once and attempt.outcome is AttemptOutcome.FAILED:
        return state._replace(store=store._replace(failures=min(9, store.failures + 1)))
    if attempt.outcome is AttemptOutcome.COMPLETED:
        return state
    return state._replace(store=_kept(store, message, bounds))


def _still_counts(store: Store, attempt: Attempt, rules: Rules) -> bool:
    """Returns whether the task still waits for the result of a lost attempt; failures show that nobody reopened it."""
    if attempt.outcome is not AttemptOutcome.LOST or not store.failures:
        return False
    waits = store.status in (TaskStatus.NOT_STARTED, TaskStatus.CLAIMED, TaskStatus.FAILED)
    killed = store.status is TaskStatus.KILLED and not rules.kill_beats_late_result
    newer = store.attempts[store.attempts.index(attempt) + 1 :]
    free = all(found.outcome in (None, AttemptOutcome.RELEASED) for found in newer)
    return (waits and free) or killed or not rules.newer_start_counts


def _count_late(state: State, attempt: Attempt, message: Message, rules: Rules) -> State:
    store, claim = state.store, state.store.open
    if store.status is TaskStatus.CLAIMED and claim is not None:
        store = end(store, claim, AttemptOutcome.RELEASED, Transition.RELEASE)
    if store.approve is ApprovalPoint.AFTER and rules.late_work_waits:
        return _given_up(state, await_nod(store, attempt))._replace(hold_promised=True)
    store = end(store, attempt, AttemptOutcome.COMPLETED, Transition.ACCEPT)
    return _accepted(state, store, attempt, message)


def _accept(state: State, attempt: Attempt, message: Message) -> State:
    if state.store.approve is ApprovalPoint.AFTER:
        return _given_up(state, await_nod(state.store, attempt))._replace(hold_promised=True)
    store = end(state.store, attempt, AttemptOutcome.COMPLETED, Transition.COMPLETE)
    return _accepted(state, store, attempt, message)


def _accepted(state: State, store: Store, attempt: Attempt, message: Message) -> State:
    if attempt.lease.grant != message.lease.grant:
        raise Violation("I3: a result was accepted under a lease that it was not granted under")
    if attempt.judges and not message.verdict:
        state = state._replace(unproven=state.unproven | {attempt.lease})
    state = state._replace(accepted=(*state.accepted, attempt.lease), judging=False)
    return _given_up(state, store._replace(judges=False))


def _operators(state: State, bounds: Bounds, rules: Rules) -> Iterator[Step]:
    counts, store = state.counts, state.store
    yield from _people(state, bounds, rules)
    if counts.kills < bounds.kills and store.status not in (TaskStatus.COMPLETED, TaskStatus.FAILED):
        killed = _kill(state, rules, by_stop=False)._replace(counts=count(state, kills=1), kill_promised=True)
        yield "operator kills", killed._replace(hold_promised=False)
    if counts.retries < bounds.retries and store.status in _RETRIED:
        again = _back(state, rules)._replace(counts=count(state, retries=1))
        yield "operator retries", again._replace(kill_promised=False, accepted=(), judging=False)
    if counts.judgements < bounds.judgements and store.status is TaskStatus.FAILED:
        again = _back(state, rules)._replace(counts=count(state, judgements=1), judging=True, accepted=())
        yield "operator asks for the validator alone", again._replace(store=again.store._replace(judges=True))
    if counts.accepts < bounds.accepts and store.archive and Transition.ACCEPT in TRANSITIONS[store.status]:
        late = min(store.archive)
        done = state._replace(store=move(store, Transition.ACCEPT), counts=count(state, accepts=1))
        done = done._replace(accepted=(late,), kill_promised=False, hold_promised=False)
        done = done._replace(nods=done.nods | {late})
        yield "operator accepts a late result", done
    if counts.stops < bounds.stops and store.mode is SwarmMode.RUNNING:
        yield "operator stops everything", _stop(state, rules)
    if store.mode is SwarmMode.STOPPED:
        running = state._replace(store=store._replace(mode=SwarmMode.RUNNING), stop_promised=False)
        yield "operator resumes", running
        if counts.requeues < bounds.requeues and store.interrupted and store.status is TaskStatus.KILLED:
            running = _back(running, rules)._replace(counts=count(state, requeues=1))
            yield "operator resumes and requeues", running
    yield from _forgets(state, bounds, rules)
    if bounds.restores and state.copy is None:
        yield "operator makes a backup", state._replace(copy=store)
    if counts.restores < bounds.restores and state.copy is not None:
        yield "operator restores the backup", _restore(state, state.copy, rules)


def _people(state: State, bounds: Bounds, rules: Rules) -> Iterator[Step]:
    """Yields holds by an operator, and answers, which a person may send to a hold that is over."""
    store = state.store
    if state.counts.suspensions < bounds.suspensions and store.status is TaskStatus.NOT_STARTED:
        suspended = state._replace(store=hold(store), hold_promised=True)
        yield "operator holds the task", suspended._replace(counts=count(state, suspensions=1))
    if store.spent and state.counts.raises < bounds.overspends:
        free = freed(store) if store.status is TaskStatus.HELD and not state.hold_promised else store
        raised = state._replace(store=free._replace(spent=False), counts=count(state, raises=1))
        yield "operator raises the cap", raised
    if store.status is TaskStatus.HELD and store.asks_for is not None:
        yield from _approvals(state, bounds)
        return
    answer = Message("answer", -1, NOBODY, hold=store.holds)
    # Nobody answers a hold for the budget.
    held = store.status is TaskStatus.HELD and state.hold_promised
    if (held or store.asked is not None) and answer not in state.sent:
        yield f"a person answers hold {store.holds}", state._replace(sent=tell(state, answer))


def _back(state: State, rules: Rules) -> State:
    """Reopens the task, which may wait for the approval of its start again."""
    store = reopened(state.store, keeps_approval=not rules.reopening_ends_approval)
    return state._replace(store=store, hold_promised=store.status is TaskStatus.HELD, start_promised=False)


def _approvals(state: State, bounds: Bounds) -> Iterator[Step]:
    """Yields what a person says about the work that they see: approvals, and rejections."""
    store = state.store
    approval = Message("approve", -1, store.work or NOBODY, hold=store.holds)
    if approval not in state.sent:
        yield f"a person approves hold {store.holds}", state._replace(sent=tell(state, approval))
    rejection = approval._replace(kind="reject")
    if rejection not in state.sent and state.counts.rejections < bounds.rejections:
        rejected = state._replace(sent=tell(state, rejection), counts=count(state, rejections=1))
        yield f"a person rejects hold {store.holds}", rejected


def _approved(state: State, message: Message, rules: Rules) -> State:
    """Lets the task go on, or count, by the approval of its hold; any other approval changes nothing."""
    store = state.store
    if store.status is not TaskStatus.HELD or store.asks_for is None:
        return state
    if message.hold != store.holds and rules.approval_names_its_hold:
        return state
    state = state._replace(hold_promised=False)
    if store.asks_for is ApprovalPoint.BEFORE_START:
        told = state.start_promised or message.hold == store.holds
        return state._replace(store=freed(store._replace(approved=True)), start_promised=told)
    assert store.work is not None
    done = state._replace(store=move(store, Transition.APPROVE), accepted=(store.work,))
    return done._replace(nods=state.nods | {message.lease})


def _rejected(state: State, message: Message) -> State:
    """Sends the work back, or ends a task that has not started."""
    store = state.store
    if store.status is not TaskStatus.HELD or store.asks_for is None or message.hold != store.holds:
        return state
    if store.asks_for is ApprovalPoint.BEFORE_START:
        return state._replace(store=move(store, Transition.KILL), hold_promised=False)
    return state._replace(store=freed(store), hold_promised=False)


def _answered(state: State, message: Message, rules: Rules) -> State:
    """Frees the held task by the answer to its hold; any other answer changes nothing."""
    store = state.store
    if store.status is TaskStatus.KILLED and not rules.kill_ends_hold:
        return state._replace(store=reopened(store))
    if store.asked is not None and message.hold == store.holds:
        answered = state.answered | {message.hold}
        return state._replace(store=store._replace(asked=None), answered=answered)
    if store.status is not TaskStatus.HELD or store.asks_for is not None:
        return state
    if message.hold != store.holds:
        if rules.answer_names_its_hold:
            return state
        return state._replace(store=freed(store))
    return state._replace(store=freed(store), hold_promised=False, answered=state.answered | {message.hold})


def _forgets(state: State, bounds: Bounds, rules: Rules) -> Iterator[Step]:
    """Yields the loss of a disconnected worker on the word of an operator, without the wait for its fence."""
    attempt = state.store.open
    if attempt is None or state.counts.forgets >= bounds.forgets:
        return
    worker = state.workers[attempt.worker]
    gone = not worker.up and worker.session is None
    if not worker.joined and (gone or not rules.forgotten_is_gone):
        lost = _given_up(state, lose(state.store, attempt, bounds))
        yield f"operator forgets worker {attempt.worker}", lost._replace(counts=count(state, forgets=1))


def _kill(state: State, rules: Rules, *, by_stop: bool) -> State:
    store, attempt = state.store, state.store.open
    if attempt is None or store.status is TaskStatus.CLAIMED:
        killed = move(store, Transition.KILL)
        if attempt is not None:
            killed = end(store, attempt, AttemptOutcome.KILLED, Transition.KILL)
        if by_stop or not rules.newer_kill_counts:
            return _given_up(state, killed._replace(interrupted=killed.interrupted or by_stop))
        return _given_up(state, killed._replace(interrupted=False))
    ordered = state._replace(ordered=True, sent=tell(state, Message("stop", attempt.worker, attempt.lease)))
    if not by_stop and not rules.kill_is_durable:
        return ordered
    was_running = store.status is TaskStatus.IN_PROGRESS
    killing = move(store, Transition.KILL)
    if by_stop and was_running:
        killing = killing._replace(interrupted=True)
    elif not by_stop and rules.newer_kill_counts:
        killing = killing._replace(interrupted=False)
    return ordered._replace(store=killing)


def _stop(state: State, rules: Rules) -> State:
    ends = leased(state.store) and (rules.stop_ends_claims or state.store.status is not TaskStatus.CLAIMED)
    stopped = _kill(state, rules, by_stop=True) if ends else state
    store = stopped.store._replace(mode=SwarmMode.STOPPED)
    return stopped._replace(store=store, stop_promised=True, counts=count(state, stops=1))


def _restore(state: State, copy: Store, rules: Rules) -> State:
    """Starts the server on the copy; nobody knows what it promised since."""
    if rules.epoch_grows:
        copy = copy._replace(epoch=state.store.epoch + 1)
    past = state._replace(store=copy, counts=count(state, restores=1), accepted=(), kill_promised=False)
    past = past._replace(hold_promised=copy.status is TaskStatus.HELD)
    return boot(past._replace(stop_promised=copy.mode is SwarmMode.STOPPED), rules)
