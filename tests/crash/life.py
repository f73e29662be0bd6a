"""Rounds of the requests that operators and workers make, and the checks of their results after crashes."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from amplifier_swarm.v1 import operator_service_pb2 as pb
from crash.arena import Arena
from support.plans import random_plan
from support.waiting import eventually

# A server passes every failpoint 50 times within fewer rounds.
ROUNDS_A_LIFE = 60
VERBS = ("AddTasks", "KillTask", "EmergencyStop", "ResumeSwarm")
RUNNER = ("--runner", "command", "--no-validation", "--kill-grace", "1", "--builder-command")


class Round:
    """A set of tasks: some complete, one is killed, and one is stopped by an emergency stop and requeued."""

    def __init__(self, arena: Arena, number: int) -> None:
        self._arena = arena
        self._a, self._b, self._c, self.killed, self.stopped = (f"r{number}{name}" for name in "abcks")

    async def run(self) -> None:
        """Runs the round; repeats each call until it has an answer."""
        arena = self._arena
        for task in (self.killed, self.stopped):
            hold(arena, task).touch()
        await arena.add({self._a: [], self._b: [self._a], self._c: [], self.killed: [], self.stopped: []})
        await self._begun(self.killed)
        await arena.call("KillTask", pb.KillTaskRequest(task_ids=[self.killed], cause="test"))
        for task in (self._a, self._b, self._c):
            await arena.until(task, "completed")
        await arena.until(self.killed, "killed")
        await self._begun(self.stopped)
        await arena.call("EmergencyStop", pb.EmergencyStopRequest(cause="test"))
        await arena.until(self.stopped, "killed")
        hold(arena, self.stopped).unlink()
        await arena.call("ResumeSwarm", pb.ResumeSwarmRequest(requeue=True))
        await arena.until(self.stopped, "completed")

    def judge(self) -> None:
        """Asserts that nothing is lost and nothing was done twice."""
        names = (self._a, self._b, self._c, self.killed, self.stopped)
        lines = [line for line in self._arena.ledger.lines() if line[1] in names]
        starts = Counter(line[1] for line in lines if line[0] == "start")
        ends = Counter(line[1] for line in lines if line[0] == "end")
        once = dict.fromkeys((self._a, self._b, self._c), 1)
        assert starts == once | {self.killed: 1, self.stopped: 2}, (
            "each session began the expected number of times"
        )
        assert ends == once | {self.stopped: 1}, "each session that was not killed has ended"
        order = [(line[0], line[1]) for line in lines]
        assert order.index(("end", self._a)) < order.index(("start", self._b))

    async def _begun(self, task: str) -> None:
        async def begun() -> bool:
            await self._arena.tend()
            return self._arena.ledger.starts(task) > 0

        await eventually(begun, f"a session of {task} began", deadline_s=60)


async def dies_at(arena: Arena, places: Sequence[str]) -> int:
    """Runs rounds until the server has died at each place; judges them; returns their number."""
    arena.start()
    await arena.tend()
    worker(arena, "w1")
    arena.failpoints = list(places)
    rounds = await _rounds_until_dead(arena)
    for this in rounds:
        this.judge()
    assert await arena.stop() == 0
    assert arena.faults() == []
    return len(rounds)


async def _rounds_until_dead(arena: Arena) -> list[Round]:
    deaths = len(arena.failpoints) + 1
    arena.crash()
    rounds: list[Round] = []
    alive = 0
    while (died := arena.died) < deaths:
        assert alive < ROUNDS_A_LIFE, f"it never reaches {arena.failpoint}"
        rounds.append(Round(arena, len(rounds)))
        await rounds[-1].run()
        alive = alive + 1 if arena.died == died else 0
    return rounds


async def killed_at_random(arena: Arena, *, seed: int, kills: int, workers: int) -> int:
    """Kills the server `kills` times under load; judges ledger and database; returns the number of tasks."""
    rng, plan = random.Random(seed), dict[str, Sequence[str]]()
    arena.start()
    await arena.tend()
    script = arena.ledger.script(middle="sleep 0.05")
    for number in range(workers):
        arena.stage.worker(f"w{number}", "--slots", "2", *RUNNER, str(script))
    for number in range(kills):
        await arena.tend()
        if len(plan) - sum(word == "end" for word, *_ in arena.ledger.lines()) < 4 * workers:
            more = random_plan(10 * workers, seed + number, prefix=f"p{number}-")
            plan |= more
            await arena.add(more)
        # The seed decides how long the server lives; no condition is awaited.
        await asyncio.sleep(rng.uniform(0, 0.6))
        arena.crash()
    for task in plan:
        await arena.until(task, "completed")
    arena.ledger.judge(plan)
    assert await arena.stop() == 0
    assert arena.faults() == []
    return len(plan)


def replies(*methods: str) -> list[str]:
    """Returns the failpoints before and after the answer of each method."""
    return [f"{method}.{when}" for method in methods for when in ("reply", "replied")]


def table(sites: Sequence[str], times: Sequence[int]) -> list[str]:
    """Returns a failpoint for each site and each pass."""
    return [f"{site}:{nth}:kill" for nth in times for site in sites]


def hold(arena: Arena, task: str) -> Path:
    """Returns the file whose presence keeps sessions of the task running."""
    return arena.stage.folder / f"hold-{task}"


def worker(arena: Arena, name: str) -> None:
    """Starts a worker that runs until the arena ends."""
    held = arena.stage.folder / "hold-$SWARM_TASK_ID"
    script = arena.ledger.script(middle=f"while [ -e {held} ]; do sleep 0.02; done")
    arena.stage.worker(name, "--slots", "3", *RUNNER, str(script))
