"""swarm-worker as the server and its sessions see it: the rules of the real one, on virtual time.

The claim stream and its reconnects, leases held until answered, the go before every process, heartbeats,
the fence, the outbox, orders, and the way out. Its one rule: what the process knows dies with it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from sim.attempt import Attempt, Plans
from sim.machine import Machine
from sim.network import Connection, Link, Unreachable
from sim.world import Call, Violated, World
from swarmd.domain.errors import SwarmError

CALL_TIMEOUT_S = 10.0
GAP_S = 0.1


@dataclass(slots=True)
class Held:
    """A lease that the process holds."""

    lease_id: str
    attempt: Attempt | None
    order: wire.Order | None = None


class Gather:
    """One call of a kind in flight; what waits goes with the next; again until answered."""

    def __init__(self, worker: "SimWorker", send: Callable[..., None], cap_s: float) -> None:
        self._worker = worker
        self._send = send
        self._cap_s = cap_s
        self._bound_s = 0.2
        self._waiting: deque[tuple[Any, Callable[[Any], None]]] = deque()
        self._busy = False

    def ask(self, item: Any, answer: Callable[[Any], None]) -> None:
        """The answer comes once, however long it takes."""
        self._waiting.append((item, answer))
        self._go()

    def _go(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        batch = list(self._waiting)
        self._waiting.clear()
        self._send([item for item, _ in batch], partial(self._answered, batch))

    def _answered(self, batch: list[tuple[Any, Callable[[Any], None]]], answers: Any) -> None:
        if isinstance(answers, Exception):
            self._waiting.extendleft(reversed(batch))
            wait_s = self._worker.dice.uniform(0, self._bound_s)
            self._bound_s = min(self._cap_s, 2 * self._bound_s)
            self._worker.after(wait_s, self._again)
            return
        self._bound_s = 0.2
        self._busy = False
        for (_, answer), found in zip(batch, answers, strict=True):
            answer(found)
        self._go()

    def _again(self) -> None:
        self._busy = False
        self._go()


class SimWorker:
    """One process of swarm-worker; `gone` is told when it has left by itself."""

    def __init__(self, world: World, machine: Machine, link: Link, plans: Plans, *, gone: Call) -> None:
        self.world = world
        self.machine = machine
        self.plans = plans
        self.dice = machine.dice
        self.alive = True
        self.draining = False
        # How many heartbeats were answered.
        self.beats = 0
        machine.lives += 1
        self.incarnation = f"{machine.name}.{machine.lives}"
        self._link = link
        self._gone = gone
        self._frozen = False
        self._thawing: deque[Call] = deque()
        self._leases: dict[str, Held] = {}
        self._waiting: deque[Attempt] = deque()
        self._free = machine.slots
        self._connection: Connection | None = None
        self._opened = False
        self._reconnect_s = 0.2
        self._heard_s = 0.0
        self._stop_after_s = 0.0
        self._interval_s = 10.0
        self._beat_due: Any = None
        self.records = Gather(self, self._send_records, 5.0)
        self.outcomes = Gather(self, self._send_outcomes, 30.0)
        world.log(f"{self.incarnation} starts")
        for lease_id, outcome in machine.disk.items():
            self._leases[lease_id] = Held(lease_id, None)
            self._deliver(lease_id, outcome)
        self._open()

    # ── the process ─────────────────────────────────────────────────────────────────────────────

    def enter(self, call: Call) -> None:
        """Runs something inside the process: never when it is dead, later when it stands still."""
        if self._frozen:
            self._thawing.append(call)
        elif self.alive:
            call()

    def after(self, delay_s: float, call: Call) -> Any:
        """A timer of the process."""
        return self.world.at(delay_s, lambda: self.enter(call))

    def crash(self) -> None:
        """SIGKILL."""
        self.world.log(f"{self.incarnation} is killed")
        self._die()

    def freeze(self) -> None:
        """SIGSTOP; guards go on."""
        self.world.log(f"{self.incarnation} stands still")
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        if not self._frozen:
            return
        self.world.log(f"{self.incarnation} goes on")
        self._frozen = False
        while self._thawing and not self._frozen:
            self.enter(self._thawing.popleft())

    def _die(self) -> None:
        self.alive = self._frozen = False
        self._thawing.clear()
        self.machine.orphan()
        if self._connection is not None:
            self._connection.close()

    # ── the stream ──────────────────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        if self.draining:
            return
        request = wire.ClaimTaskRequest(
            worker=self.machine.name, incarnation=self.incarnation, instance=f"{self.machine.name}-disk",
            slots=self.machine.slots, runner="command", host=self.machine.name, pid=self.machine.lives,
            version="sim", containment="subreaper", lease_ids=list(self._leases),
        )  # fmt: skip
        since_s = self.world.now_s
        hears = lambda message: self.enter(partial(self._hears, message, since_s))  # noqa: E731
        self._connection = self._link.connect(request, hears, lambda: self.enter(self._broken))

    def _hears(self, message: wire.ClaimTaskResponse, since_s: float) -> None:
        if message.HasField("opened"):
            self._hears_opened(message.opened, since_s)
        for claim in message.claims:
            self._take(claim)
        self._obey(message.orders)
        self._notice(message)

    def _hears_opened(self, opened: wire.Opened, since_s: float) -> None:
        self._reconnect_s = 0.2
        if self._stop_after_s == 0.0:
            self._heard_s = since_s
        self._stop_after_s = opened.stop_after.ToMicroseconds() / 1e6
        self._interval_s = opened.heartbeat_interval.ToMicroseconds() / 1e6
        self._tell_guards()
        if not self._opened:
            self._opened = True
            self._beat()
        else:
            self._hurry()

    def _broken(self) -> None:
        if self.draining:
            return
        wait_s = self.dice.uniform(0, self._reconnect_s)
        self._reconnect_s = min(5.0, 2 * self._reconnect_s)
        self.after(wait_s, self._open)

    def _notice(self, message: wire.ClaimTaskResponse | wire.HeartbeatResponse) -> None:
        if message.HasField("notice") and message.notice.drain:
            self.drain()
        self._leave_if_over()

    # ── heartbeats and the fence ────────────────────────────────────────────────────────────────

    @property
    def fence_s(self) -> float:
        """How long sessions may run if the server is not heard again."""
        return max(0.0, self._heard_s + self._stop_after_s - self.world.now_s)

    def _beat(self) -> None:
        self._beat_due = None
        phase = wire.WORKER_PHASE_DRAINING if self.draining else wire.WORKER_PHASE_ACTIVE
        request = wire.HeartbeatRequest(
            worker=self.machine.name, incarnation=self.incarnation, lease_ids=list(self._leases), phase=phase
        )
        sent_s = self.world.now_s
        self._call(
            lambda server: server.workers.Heartbeat(request, None),
            partial(self._beaten, sent_s),
            timeout_s=min(self._interval_s, CALL_TIMEOUT_S),
        )

    def _beaten(self, sent_s: float, response: Any) -> None:
        if isinstance(response, Exception):
            self._beat_due = self.after(self.dice.uniform(0, self._interval_s), self._beat)
            return
        self.beats += 1
        self._heard_s = max(self._heard_s, sent_s)
        self._tell_guards()
        self._interval_s = response.heartbeat_interval.ToMicroseconds() / 1e6
        self._beat_due = self.after(self._interval_s * self.dice.uniform(0.9, 1.1), self._beat)
        self._obey(response.orders)
        self._notice(response)

    def _hurry(self) -> None:
        """What is held has changed: the server should know soon."""
        if self._beat_due is not None:
            self._beat_due.cancel()
            self._beat_due = self.after(GAP_S, self._beat)

    def _tell_guards(self) -> None:
        for guard in self.machine.guards:
            if guard.alive:
                guard.fence(self.fence_s)

    # ── leases and slots ────────────────────────────────────────────────────────────────────────

    def _take(self, claim: wire.Claim) -> None:
        if claim.lease_id in self._leases:
            return
        attempt = Attempt(self, claim)
        self._leases[claim.lease_id] = Held(claim.lease_id, attempt)
        self._waiting.append(attempt)
        self._hurry()
        if self.draining:
            self._decline()
        self._fill()

    def _fill(self) -> None:
        while self._free and self._waiting and not self.draining:
            self._free -= 1
            self._waiting.popleft().begin()

    def _decline(self) -> None:
        while self._waiting:
            attempt = self._waiting.popleft()
            self.conclude(attempt.lease_id, task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_DECLINED))

    def _obey(self, orders: Any) -> None:
        for order in orders:
            held = self._leases.get(order.lease_id)
            if held is None:
                continue
            held.order = order
            if held.attempt is None:
                continue
            if held.attempt in self._waiting:
                self._waiting.remove(held.attempt)
                self.conclude(held.lease_id, task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_STOPPED))
            else:
                held.attempt.stop(order)

    def conclude(self, lease_id: str, outcome: task_pb2.Outcome, *, frees: bool = False) -> None:
        """The outcome goes to the disk, which takes a moment, and then to the server."""

        def kept() -> None:
            self.machine.disk[lease_id] = outcome
            self.world.log(
                f"{self.incarnation} keeps {task_pb2.OutcomeKind.Name(outcome.kind)} of {_short(lease_id)}"
            )
            self._deliver(lease_id, outcome)
            self._free += frees
            self._fill()

        self.after(self.dice.uniform(0, 0.05), kept)

    def _deliver(self, lease_id: str, outcome: task_pb2.Outcome) -> None:
        finished = wire.FinishedAttempt(lease_id=lease_id, outcome=outcome)
        self.outcomes.ask(finished, partial(self._answered, lease_id))

    def _answered(self, lease_id: str, result: wire.FinishResult) -> None:
        if result.disposition == wire.FINISH_DISPOSITION_UNKNOWN:
            raise Violated(f"the server does not know the lease {_short(lease_id)} that it gave")
        self.world.log(f"{self.incarnation} is told {result.disposition} of {_short(lease_id)}")
        self.machine.disk.pop(lease_id, None)
        self._leases.pop(lease_id, None)
        self._hurry()
        self._leave_if_over()

    # ── the way out ─────────────────────────────────────────────────────────────────────────────

    def drain(self) -> None:
        """Takes nothing new and leaves when what it holds is answered."""
        if self.draining:
            return
        self.draining = True
        self.world.log(f"{self.incarnation} drains")
        if self._connection is not None:
            # The real one leaves its stream open and opens no further one.
            self._hurry()
        self._decline()
        self._leave_if_over()

    def _leave_if_over(self) -> None:
        if not (self.draining and not self._leases and self.alive):
            return
        request = wire.HeartbeatRequest(
            worker=self.machine.name, incarnation=self.incarnation, phase=wire.WORKER_PHASE_LEAVING
        )
        self._link.call(lambda server: server.workers.Heartbeat(request, None), lambda _: None, timeout_s=2.0)  # type: ignore[arg-type]
        self.world.log(f"{self.incarnation} leaves")
        self._die()
        self._gone()

    # ── calls ───────────────────────────────────────────────────────────────────────────────────

    def _call(self, method: Any, answer: Callable[[Any], None], *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        def heard(result: Any) -> None:
            if isinstance(result, SwarmError):
                raise Violated(f"{self.incarnation} is refused: {result}")
            self.enter(partial(answer, result))

        self._link.call(method, heard, timeout_s=timeout_s)

    def _send_records(self, items: list[wire.SessionRecord], answer: Callable[[Any], None]) -> None:
        request = wire.RecordSessionRequest(worker=self.machine.name, records=items)
        self._call(
            lambda server: server.workers.RecordSession(request, None),
            lambda found: answer(found if isinstance(found, Unreachable) else found.answers),
        )

    def _send_outcomes(self, items: list[wire.FinishedAttempt], answer: Callable[[Any], None]) -> None:
        request = wire.FinishTaskRequest(worker=self.machine.name, finished=items)
        self._call(
            lambda server: server.workers.FinishTask(request, None),
            lambda found: answer(found if isinstance(found, Unreachable) else found.results),
        )


def _short(lease_id: str) -> str:
    """A lease without its secret."""
    return lease_id.rpartition("-")[0]
