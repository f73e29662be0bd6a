"""Steps of workers: claims, the go, sessions, the outbox, orders, heartbeats, the fence, and restarts."""

from collections.abc import Iterator

from model.protocol import (
    Bounds,
    Message,
    Phase,
    Rules,
    State,
    Step,
    Worker,
    count,
    tell,
    with_worker,
)
from model.server import join
from swarmd.domain.model import OutcomeKind


def worker_steps(state: State, bounds: Bounds, rules: Rules, spared: set[int]) -> Iterator[Step]:
    """Yields the next steps of guards, and of workers that are not spared."""
    for index, worker in _unspared(state, spared):
        yield from _guard_stopped(state, index, worker, bounds)
        if not worker.up:
            yield from _dead(state, index, worker, rules)
            continue
        yield from _session(state, index, worker, bounds, rules)
        if worker.fence and state.counts.silences < bounds.silences:
            quiet = _ended(state, index, worker, OutcomeKind.STOPPED, fence=False)
            if bounds.keep or (worker.silent and not rules.silent_guard_is_killed):
                quiet = state._replace(workers=with_worker(state, index, worker._replace(fence=False)))
            yield f"worker {index} fences itself", quiet._replace(counts=count(state, silences=1))
        if state.up:
            if not worker.joined:
                yield f"worker {index} joins", join(state, index, bounds)
            elif worker.lease is not None or not worker.fence:
                yield f"worker {index} beats", _beat(state, index, worker, rules)
    for message in state.sent:
        if message.kind in ("claim", "go", "stop"):
            yield from _hears(state, message, rules)


def _unspared(state: State, spared: set[int]) -> list[tuple[int, Worker]]:
    return [(index, worker) for index, worker in enumerate(state.workers) if index not in spared]


def _guard_stopped(state: State, index: int, worker: Worker, bounds: Bounds) -> Iterator[Step]:
    if worker.session is None or worker.silent or state.counts.stopped_guards >= bounds.stopped_guards:
        return
    silent = with_worker(state, index, worker._replace(silent=True))
    counts = count(state, stopped_guards=1)
    yield f"the session of worker {index} stops its guard", state._replace(workers=silent, counts=counts)


def _dead(state: State, index: int, worker: Worker, rules: Rules) -> Iterator[Step]:
    if worker.session is not None and not (worker.silent and not rules.silent_guard_before_restart):
        ended = with_worker(state, index, worker._replace(session=None, silent=False))
        yield f"the session of dead worker {index} ends", state._replace(workers=ended)
    gives_up = worker.silent and not rules.silent_guard_before_restart
    if worker.session is None or gives_up or not rules.guards_before_restart:
        alive = Worker(worker.life + 1, session=worker.session, silent=worker.silent, outbox=worker.outbox)
        yield f"worker {index} starts again", state._replace(workers=with_worker(state, index, alive))


def _session(state: State, index: int, worker: Worker, bounds: Bounds, rules: Rules) -> Iterator[Step]:
    if worker.phase is Phase.ASKING:
        yield (
            f"worker {index} has a fault before its session",
            _ended(state, index, worker, OutcomeKind.FAILED),
        )
    if worker.phase is Phase.RUNNING:
        yield from _overspends(state, index, worker, bounds)
        yield from _asks_in_place(state, index, worker, bounds, rules)
        yield f"worker {index} completes", _ended(state, index, worker, OutcomeKind.COMPLETED)
        yield f"worker {index} fails", _ended(state, index, worker, OutcomeKind.FAILED)
        if state.counts.judgements:
            bare = _ended(state, index, worker, OutcomeKind.COMPLETED, verdict=False)
            yield f"worker {index} completes without a verdict", bare
        if state.counts.questions < bounds.questions:
            asked = _ended(state, index, worker, OutcomeKind.FAILED, asks=True)
            yield f"the builder of worker {index} asks", asked._replace(counts=count(state, questions=1))


def _asks_in_place(state: State, index: int, worker: Worker, bounds: Bounds, rules: Rules) -> Iterator[Step]:
    """Yields the question of a session that lives on, and the end of its wait, which parks the task."""
    if worker.lease is None or worker.session is None:
        return
    question = Message("ask", index, worker.lease, worker.life)
    if state.counts.calls < bounds.calls and question not in state.sent:
        sent, counts = tell(state, question), count(state, calls=1)
        yield f"the session of worker {index} asks in place", state._replace(sent=sent, counts=counts)
    for message in state.sent:
        if message.kind == "asked" and message.lease == worker.lease:
            parked = _ended(state, index, worker, OutcomeKind.FAILED, asks=True, hold=message.hold)
            if not rules.parked_is_ended:
                late = parked.workers[index]._replace(session=worker.session)
                parked = parked._replace(workers=with_worker(parked, index, late))
            yield f"worker {index} parks its task", parked


def _overspends(state: State, index: int, worker: Worker, bounds: Bounds) -> Iterator[Step]:
    """Yields the report of a session that has passed the cap which stands now."""
    if worker.lease is None or state.counts.overspends >= bounds.overspends:
        return
    told = Message("usage", index, worker.lease, worker.life, hold=state.counts.raises)
    counts = count(state, overspends=1)
    name = f"the session of worker {index} passes the cap"
    yield name, state._replace(sent=tell(state, told), counts=counts)


def _ended(
    state: State,
    index: int,
    worker: Worker,
    outcome: OutcomeKind,
    *,
    fence: bool | None = None,
    asks: bool = False,
    hold: int = 0,
    verdict: bool = True,
) -> State:
    """Ends the session with its outcome on disk; without a lease, only changes the fence."""
    fence = worker.fence if fence is None else fence
    if worker.lease is None or (worker.phase is Phase.ASKING and not fence and outcome == "stopped"):
        # A worker that waits for the go waits on, and looks at the fence when the go comes.
        return state._replace(workers=with_worker(state, index, worker._replace(fence=fence)))
    idle = worker._replace(
        phase=Phase.IDLE,
        lease=None,
        session=None,
        silent=False,
        fence=fence,
        outbox=worker.outbox | {worker.lease},
    )
    told = Message("finish", index, worker.lease, outcome=outcome, asks=asks, hold=hold, verdict=verdict)
    sent = tell(state, told)
    return state._replace(workers=with_worker(state, index, idle), sent=sent)


def _beat(state: State, index: int, worker: Worker, rules: Rules) -> State:
    """Sends a heartbeat and handles its answer.

    Only a fresh answer extends the fence, so the two are one step. A lost answer is a step not taken, and late orders
    come as messages of their own.
    """
    heard = worker._replace(fence=True)
    if worker.lease is not None:
        attempt = state.store.open
        stands = attempt is not None and attempt.worker == index and worker.lease.looks_like(attempt.lease)
        doomed = state.doomed and rules.doomed_is_ordered
        if not stands or state.ordered or doomed:
            return _ended(state, index, heard, OutcomeKind.STOPPED)
    return state._replace(workers=with_worker(state, index, heard))


def _hears(state: State, message: Message, rules: Rules) -> Iterator[Step]:
    index = message.worker
    worker, what = state.workers[index], f"worker {index} hears {message.kind} {message.lease.number}"
    if not worker.up:
        return
    if message.kind == "claim" and worker.life == message.life and worker.phase is Phase.IDLE:
        if message.lease in worker.outbox:
            return
        asks = worker._replace(phase=Phase.ASKING, lease=message.lease)
        if not rules.go_before_spawn:
            asks = asks._replace(phase=Phase.RUNNING, session=message.lease)
        sent = tell(state, Message("start", index, message.lease, worker.life))
        yield what, state._replace(workers=with_worker(state, index, asks), sent=sent)
    elif message.lease != worker.lease:
        return
    elif message.kind == "stop":
        yield what, _ended(state, index, worker, OutcomeKind.STOPPED, fence=worker.fence or None)
    elif message.kind == "go" and worker.phase is Phase.ASKING and worker.life == message.life:
        if worker.fence or not rules.fence_at_go:
            runs = worker._replace(phase=Phase.RUNNING, session=message.lease)
            yield what, state._replace(workers=with_worker(state, index, runs))
        else:
            idle = worker._replace(phase=Phase.RUNNING)
            yield what, _ended(state, index, idle, OutcomeKind.STOPPED)
