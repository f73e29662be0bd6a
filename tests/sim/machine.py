"""What is true whatever any program believes: the processes of sessions, their guards, and workers' disks."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from amplifier_swarm.v1 import task_pb2
from sim.world import Call, Due, Violated, World

GRACE_S = 5.0


@dataclass(slots=True)
class Process:
    """A session's process tree."""

    task_id: str
    session_id: str
    worker: str
    began_s: float


class Ledger:
    """Every session process that ever lived. Its one rule: it watches, and never helps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.live: dict[str, list[Process]] = {}
        self.started: list[str] = []
        self.completed: set[str] = set()
        # A violated fence is a fault at once, unless the test is about tasks that allow it.
        self.fenced = True

    def start(self, task_id: str, session_id: str, worker: str) -> Process:
        """A process begins."""
        process = Process(task_id, session_id, worker, self.world.now_s)
        others = self.live.setdefault(task_id, [])
        self.world.log(f"{worker} starts {session_id}")
        if others and self.fenced:
            held = ", ".join(f"{other.session_id} at {other.worker}" for other in others)
            raise Violated(f"two live sessions of task {task_id}: {session_id} at {worker} beside {held}")
        if task_id in self.completed:
            raise Violated(f"task {task_id} is completed, and {session_id} starts")
        if session_id in self.started:
            raise Violated(f"{session_id} starts a second time")
        others.append(process)
        self.started.append(session_id)
        return process

    def end(self, process: Process, why: str) -> None:
        """Nothing of it lives any more."""
        self.live[process.task_id].remove(process)
        self.world.log(f"{process.worker} ended {process.session_id}: {why}")

    @property
    def count(self) -> int:
        """How many live."""
        return sum(len(found) for found in self.live.values())


class Guard:
    """Holds one session; lives until nothing of it does, with its worker or without."""

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        process: Process,
        dice: random.Random,
        *,
        lasts_s: float,
        fence_s: float,
    ) -> None:
        self.alive = True
        self.ended: Callable[[str], None] | None = None
        self._world = world
        self._ledger = ledger
        self.process = process
        self._dice = dice
        self._ending = False
        self._end: Due = world.at(lasts_s, partial(self._over, "exit"))
        self._fence: Due = world.at(fence_s, partial(self.kill, "fence", GRACE_S))

    @property
    def untouched(self) -> bool:
        """Whether its session runs and nobody has told it to end."""
        return self.alive and not self._ending

    def fence(self, seconds: float) -> None:
        """The worker extends the right to run."""
        self._fence.cancel()
        self._fence = self._world.at(seconds, partial(self.kill, "fence", GRACE_S))

    def kill(self, why: str, grace_s: float) -> None:
        """TERM, and KILL after the grace period; some sessions end at once, some not before."""
        if not self.alive:
            return
        takes_s = self._dice.choice((0.02, self._dice.uniform(0, grace_s), grace_s))
        due_s = self._world.now_s + takes_s
        if self._ending and due_s >= self._end.at_s:
            return
        self._ending = True
        self._end.cancel()
        self._end = self._world.at(takes_s, partial(self._over, why))

    def _over(self, why: str) -> None:
        self.alive = False
        self._end.cancel()
        self._fence.cancel()
        self._ledger.end(self.process, why)
        if self.ended is not None:
            self.ended(why)


@dataclass(slots=True)
class Machine:
    """A worker's host: what outlives its processes."""

    world: World
    ledger: Ledger
    name: str
    slots: int
    dice: random.Random
    # The outbox by lease id: durable as soon as it is here.
    disk: dict[str, task_pb2.Outcome] = field(default_factory=dict)
    guards: list[Guard] = field(default_factory=list)
    lives: int = 0

    def spawn(self, task_id: str, session_id: str, *, lasts_s: float, fence_s: float) -> Guard:
        """Starts a session under a guard."""
        process = self.ledger.start(task_id, session_id, self.name)
        guard = Guard(self.world, self.ledger, process, self.dice, lasts_s=lasts_s, fence_s=fence_s)
        self.guards.append(guard)
        return guard

    def orphan(self) -> None:
        """The worker has died: its guards' pipes have ended."""
        for guard in self.guards:
            guard.ended = None
            guard.kill("orphaned", GRACE_S)

    def when_quiet(self, call: Call) -> None:
        """Calls when no guard of a former process holds its lock."""
        self.guards = [guard for guard in self.guards if guard.alive]
        if self.guards:
            self.world.at(0.5, partial(self.when_quiet, call))
        else:
            call()
