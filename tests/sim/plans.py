"""Plans of sessions: their ends, which depend on the seed and the session id alone."""

import json
import random
from dataclasses import dataclass
from decimal import Decimal

from swarm_worker.domain.model import Failure, FailureClass, Usage
from swarm_worker.domain.types import Role
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.command import CommandRunner
from swarm_worker.runners.command_reader import CommandReader
from swarm_worker.runners.reader import OutputReader, Report

# Tasks with such names succeed at the first attempt only, so a late result matters.
ONCE = "once"
ENDLESS_S = 6 * 3600.0
# The share of builders that cost four times as much.
DEAR = 1 / 6
# Exit codes of a session whose provider limits or denies it.
LIMITED, DENIED = 75, 77
_ASKS = json.dumps({"status": "blocked", "questions": [{"text": "Which port?"}]})
_PASS = json.dumps({"verdict": "PASS"})
_FAIL = json.dumps({"verdict": "FAIL", "findings": [{"issue": "it does not work", "severity": "major"}]})


@dataclass(frozen=True, slots=True)
class End:
    """The end of a session without orders."""

    after_s: float
    code: int
    stdout: str


@dataclass(frozen=True, slots=True)
class Plans:
    """The length of sessions, and the share of failures."""

    seed: int
    mean_s: float = 45.0
    failing: float = 0.15
    endless: float = 0.03
    # The share of builders that ask a person.
    asking: float = 0.0
    # What most builders cost, in dollars; 0 if sessions report no usage.
    cost: Decimal = Decimal(0)
    # The limit that the worker sets for silence.
    stall_s: float = 900.0

    def end(self, session_id: str, role: str) -> End:
        """Returns the end of a session; without a role, of a check."""
        dice = random.Random(f"{self.seed}/{session_id}")
        endless = dice.random() < self.endless
        after_s = ENDLESS_S if endless else dice.expovariate(1 / self.mean_s)
        fails = dice.random() < self.failing
        if session_id.startswith(ONCE):
            fails = "-a1-" not in session_id
        # A stream of its own, so that the other choices of a seed are what they would be without it.
        if role == Role.BUILDER and random.Random(f"{self.seed}/asks/{session_id}").random() < self.asking:
            return End(after_s, 0, _ASKS)
        if not fails:
            return End(after_s, 0, _PASS if role == Role.VALIDATOR else "built")
        if not role:
            return End(after_s, 1, "red")
        if role == Role.VALIDATOR and dice.random() < 0.6:
            return End(after_s, *dice.choice(((0, _FAIL), (0, "no verdict"), (-9, ""))))
        return End(
            after_s, *dice.choice(((1, "no"),) * 6 + ((-11, ""),) * 2 + ((LIMITED, "slow"), (DENIED, "")))
        )


class SimRunner(CommandRunner):
    """The real command runner, with a provider that may limit or deny sessions."""

    def __init__(self, cost: Decimal = Decimal(0)) -> None:
        super().__init__(builder=("builder",), validator=("validator",))
        self._cost = cost

    def reader(self, plan: SessionPlan) -> OutputReader:
        dear = random.Random(f"dear/{plan.session_id}").random() < DEAR
        return _SimReader(plan.role, self._cost * (4 if dear else 1))


class _SimReader(CommandReader):
    def __init__(self, role: Role, cost: Decimal) -> None:
        super().__init__(role)
        self._cost = cost if role == Role.BUILDER else Decimal(0)

    @property
    def usage(self) -> Usage:
        return Usage(100, 10, self._cost) if self._cost else super().usage

    def report(self, stdout: str, *, exit_code: int) -> Report:
        if exit_code == LIMITED:
            failure = Failure(FailureClass.PROVIDER_LIMITED, "slow down", retry_after_s=20.0)
            return Report(stdout, failure)
        if exit_code == DENIED:
            return Report(stdout, Failure(FailureClass.PROVIDER_DENIED, "no more money"))
        return super().report(stdout, exit_code=exit_code)
