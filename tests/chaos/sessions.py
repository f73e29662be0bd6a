"""The behaviour of the tasks of a chaos run, and the ledger that their sessions keep.

Invariant: only sessions write the ledger. Each holds a lock of its task from its first line until the last process
of its tree is gone, so the kernel itself detects two live sessions of one task.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.ledger import Ledger
from support.plans import Plan, random_plan

# Longer than a worker may be silent, so that fences act.
LONG_S: Final = (3.0, 4.0)
SHORT_S: Final = (0.2, 1.4)
# The outcome of an ended session is delivered within this time.
REPORTED_S: Final = 2.0

_MIDDLE: Final = """\
read length code child < {folder}/traits/$SWARM_TASK_ID
what="$SWARM_TASK_ID $SWARM_ATTEMPT"
exec 9>>{folder}/locks/$SWARM_TASK_ID
flock -n 9 || echo "overlap $what" >> {path}
read up idle < /proc/uptime
echo "at $what ${{SWARM_PROJECT_ROOT##*/}} $up" >> {path}
if [ $child = 1 ]; then
  trap '' TERM
  setsid sleep 600 & echo "child $what $!" >> {path}
fi
sleep $length
[ $code = 0 ] || exit $code
"""


@dataclass(frozen=True, slots=True)
class Trait:
    """The behaviour of the sessions of one task."""

    length_s: float
    # It fails each time.
    fails: bool
    # It ignores SIGTERM and leaves a child of its own session behind.
    clings: bool


def draw_plan(count: int, seed: int, rng: random.Random) -> Plan:
    """Draws a plan with few dependencies, so that every worker has work."""
    return {
        task: [other for other in wanted if rng.random() < 0.3]
        for task, wanted in random_plan(count, seed).items()
    }


def draw_traits(plan: Plan, rng: random.Random) -> Mapping[str, Trait]:
    """Draws traits: two fifths of the tasks are long, a sixth resists SIGTERM, and two with few dependents fail."""
    failing = rng.sample([task for task in plan if len(_dependents(plan, task)) <= 3], 2)
    return {
        task: Trait(
            length_s=round(rng.uniform(*(LONG_S if rng.random() < 0.4 else SHORT_S)), 2),
            fails=task in failing,
            clings=rng.random() < 0.16,
        )
        for task in plan
    }


def _dependents(plan: Plan, task: str) -> set[str]:
    """Returns the direct and indirect dependents of the task."""
    found: set[str] = set()
    for other, wanted in plan.items():  # in an order in which dependencies come first
        if task in wanted or found & set(wanted):
            found.add(other)
    return found


@dataclass(frozen=True, slots=True)
class Start:
    """A session that started."""

    task: str
    attempt: int
    pid: int


@dataclass(frozen=True)
class ChaosLedger(Ledger):
    """A ledger of sessions with traits."""

    def stage_traits(self, traits: Mapping[str, Trait]) -> Path:
        """Writes the files that the sessions read; returns their script."""
        folder = self.path.parent
        for part in ("traits", "locks"):
            (folder / part).mkdir()
        for task, trait in traits.items():
            words = f"{trait.length_s} {3 if trait.fails else 0} {int(trait.clings)}\n"
            (folder / "traits" / task).write_text(words)
        return self.script(middle=_MIDDLE.format(folder=folder, path=self.path))

    def words(self, kind: str) -> list[list[str]]:
        """Returns the words after the kind, of all lines of that kind."""
        return [line[1:] for line in self.lines() if line[0] == kind]

    def began(self) -> list[Start]:
        """Returns the sessions that started, in order."""
        return [Start(task, int(attempt), int(pid)) for task, attempt, _, pid in self.words("start")]

    def ended(self) -> set[tuple[str, int]]:
        """Returns the sessions that ended by themselves."""
        return {(task, int(attempt)) for task, attempt, *_ in self.words("end")}

    def processes(self) -> list[int]:
        """Returns the pids of all processes that were ever started."""
        return [*self.pids(), *(int(pid) for *_, pid in self.words("child"))]

    def last_chances(self, traits: Mapping[str, Trait]) -> set[str]:
        """Returns the workers that run a third or later attempt: one more loss could use up its budget."""
        now_s = float(Path("/proc/uptime").read_text().split()[0])
        return {
            worker
            for task, attempt, worker, began_s in self.words("at")
            if int(attempt) >= 3 and now_s < float(began_s) + traits[task].length_s + REPORTED_S
        }

    def out_of_order(self, plan: Plan) -> list[str]:
        """Returns the tasks with a session that started before all dependencies had ended."""
        ended: set[str] = set()
        early = []
        for word, task, *_ in self.lines():
            if word == "start" and not set(plan[task]) <= ended:
                early.append(task)
            elif word == "end":
                ended.add(task)
        return early


def expected(plan: Plan, traits: Mapping[str, Trait]) -> dict[str, str]:
    """Returns the status in which each task ends without faults."""
    statuses: dict[str, str] = {}
    for task, wanted in plan.items():  # in an order in which dependencies come first
        if any(statuses[other] != "completed" for other in wanted):
            statuses[task] = "skipped"
        else:
            statuses[task] = "failed" if traits[task].fails else "completed"
    return statuses
