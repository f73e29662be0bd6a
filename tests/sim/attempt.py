"""One attempt at a simulated worker: a builder, a pause for the checks, a validator; each asks for its go."""

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import SESSION_ROLE_BUILDER, SESSION_ROLE_VALIDATOR
from sim.machine import GRACE_S, Guard

if TYPE_CHECKING:
    from sim.worker import SimWorker

ROLES = ("builder", "validator")
_WIRE = {"builder": SESSION_ROLE_BUILDER, "validator": SESSION_ROLE_VALIDATOR}


@dataclass(frozen=True, slots=True)
class Plans:
    """What sessions do: how long they run, and how often they fail. The same for a seed, whoever runs them."""

    seed: int
    mean_s: float = 45.0
    failing: float = 0.15
    endless: float = 0.05

    def lasts_s(self, session_id: str) -> float:
        """How long the session runs by itself."""
        dice = random.Random(f"{self.seed}/{session_id}/lasts")
        return 6 * 3600.0 if dice.random() < self.endless else dice.expovariate(1 / self.mean_s)

    def fails(self, session_id: str) -> bool:
        """Whether its attempt fails then."""
        return random.Random(f"{self.seed}/{session_id}/fails").random() < self.failing


class Attempt:
    """Works on one claim; concludes once."""

    def __init__(self, worker: "SimWorker", claim: wire.Claim) -> None:
        self.lease_id = claim.lease_id
        self._worker = worker
        self._task_id = claim.task.task_id
        self._name = f"{claim.task.task_id}-a{claim.attempt}"
        self._epoch = claim.epoch
        self._roles = list(ROLES if not claim.task.HasField("validate") or claim.task.validate else ROLES[:1])
        self._guard: Guard | None = None
        self._ordered = False
        self._over = False

    def begin(self) -> None:
        """Prepares the work place, and asks for the first go."""
        self._worker.after(self._worker.dice.uniform(0, 3), self._ask)

    def stop(self, order: wire.Order) -> None:
        """Ends what runs; an attempt without a process ends at once."""
        self._ordered = True
        if self._guard is not None:
            graceful = order.action == wire.ORDER_ACTION_STOP
            self._guard.kill("order", GRACE_S if graceful else 0.02)
        else:
            self._conclude(task_pb2.OUTCOME_KIND_STOPPED)

    def _session_id(self) -> str:
        return f"{self._name}-{self._roles[0]}-{self._epoch}"

    def _ask(self) -> None:
        if self._over:
            return
        record = wire.SessionRecord(
            lease_id=self.lease_id,
            session_id=self._session_id(),
            role=_WIRE[self._roles[0]],
            runner="command",
        )
        self._worker.records.ask(record, self._told)

    def _told(self, answer: wire.SessionAnswer) -> None:
        if self._over:
            return
        if not answer.go or self._worker.fence_s == 0.0:
            self._conclude(task_pb2.OUTCOME_KIND_STOPPED)
        else:
            self._run()

    def _run(self) -> None:
        session_id = self._session_id()
        self._guard = self._worker.machine.spawn(
            self._task_id,
            session_id,
            lasts_s=self._worker.plans.lasts_s(session_id),
            fence_s=self._worker.fence_s,
        )
        self._guard.ended = lambda why: self._worker.enter(partial(self._ended, session_id, why))

    def _ended(self, session_id: str, why: str) -> None:
        self._guard = None
        end = wire.SessionRecord(
            lease_id=self.lease_id, session_id=session_id, end=wire.SessionEnd(exit_code=0)
        )
        self._worker.records.ask(end, lambda _: None)
        if why != "exit" or self._ordered:
            self._conclude(task_pb2.OUTCOME_KIND_STOPPED)
        elif self._worker.plans.fails(session_id):
            self._conclude(task_pb2.OUTCOME_KIND_FAILED)
        else:
            self._roles.pop(0)
            if self._roles:
                self._worker.after(self._worker.dice.uniform(0, 3), self._ask)
            else:
                self._conclude(task_pb2.OUTCOME_KIND_COMPLETED)

    def _conclude(self, kind: "task_pb2.OutcomeKind.ValueType") -> None:
        if self._over:
            return
        self._over = True
        outcome = task_pb2.Outcome(kind=kind)
        if kind == task_pb2.OUTCOME_KIND_FAILED:
            outcome.failure_class = task_pb2.FAILURE_CLASS_AGENT_ERROR
            outcome.error = "the session failed"
        self._worker.conclude(self.lease_id, outcome, frees=True)
