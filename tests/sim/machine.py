"""Machines of workers: session processes, guards and disks, as they are whatever any program believes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sim.plans import End
from sim.world import Call, Due, Violated, World
from swarmd.domain.model import Lease

GRACE_S = 5.0
# The time until somebody sees the end of a process that ends at once.
MOMENT_S = 0.02
# The fork server of a dead worker ends what a guard that stays stopped does not end.
FORK_SERVER_ENDS_S = 12.0


@dataclass(slots=True)
class Tree:
    """The process tree of a session or a check."""

    task_id: str
    name: str
    worker: str
    # Whether the task forbids two live sessions.
    alone: bool
    # Whether a guard ends the tree.
    guarded: bool = True


class Ledger:
    """Every session process that ever lived.

    Invariant: the ledger watches, and never changes what happens.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.live: dict[str, list[Tree]] = {}
        self.started: dict[str, Tree] = {}
        # Tasks that a worker has completed, and by which attempts; the server may not know it yet.
        self.done: set[str] = set()
        self.completed: set[tuple[str, int]] = set()
        # Completed results that are on a worker's disk: the key of the task, and the attempt.
        self.kept: set[tuple[int, int]] = set()
        # The exclusive names of each task, its files with a slash in front; and how many tasks may share a name.
        self.needs: dict[str, Sequence[str]] = {}
        self.capacity: dict[str, int] = {}
        # Whether tasks share their files, because no task has a clone.
        self.files_shared = True

    def start(self, tree: Tree, *, session: bool) -> None:
        """Notes that a process starts; two live sessions of one task fail the run."""
        others = self.live.setdefault(tree.task_id, [])
        self.world.log(f"{tree.worker} starts {tree.name}")
        if tree.alone and (guarded := [other for other in others if other.guarded]):
            beside = ", ".join(f"{other.name} at {other.worker}" for other in guarded)
            self.world.fail(Violated(f"two live sessions: {tree.name} at {tree.worker} beside {beside}"))
        others.append(tree)
        if tree.alone:
            self._refuse_shared(tree)
        if session:
            if tree.name in self.started:
                self.world.fail(Violated(f"{tree.name} starts a second time"))
            self.started[tree.name] = tree

    def _refuse_shared(self, tree: Tree) -> None:
        """Fails the run if more tasks live than may share a name of the task, or one whose files overlap."""
        live = {
            other.task_id for found in self.live.values() for other in found if other.alone and other.guarded
        }
        for name in self.needs.get(tree.task_id, ()):
            users = sorted(
                task for task in live if any(_overlap(name, other) for other in self.needs.get(task, ()))
            )
            if len(users) > self.capacity.get(name, 1):
                self.world.fail(Violated(f"{tree.name} starts, and {', '.join(users)} use {name} at once"))

    def end(self, tree: Tree, why: str) -> None:
        """Notes that nothing of the tree lives."""
        self.live[tree.task_id].remove(tree)
        self.world.log(f"{tree.worker} ended {tree.name}: {why}")

    def refuse_alive(self, lease: Lease) -> None:
        """Fails the run if the server has a proof of death for an attempt that lives."""
        for tree in self.live.get(lease.task_id, ()):
            if tree.guarded and tree.worker == lease.worker and f"-a{lease.number}-" in tree.name:
                self.world.fail(Violated(f"{tree.name} lives, and the server has a proof that it does not"))

    @property
    def count(self) -> int:
        """The number of live trees."""
        return sum(len(found) for found in self.live.values())


def _overlap(name: str, other: str) -> bool:
    return name == other or name.startswith(f"{other}/") or other.startswith(f"{name}/")


class Guard:
    """A model of the guard program: guards one process tree, with or without a worker, until the tree has ended."""

    def __init__(self, world: World, ledger: Ledger, tree: Tree, dice: random.Random, end: End) -> None:
        self.alive = True
        # Called with the cause of the tree's end; with None if somebody killed the guard.
        self.on_end: Callable[[str | None], None] | None = None
        self.tree = tree
        self.plan = end
        self._world = world
        self._ledger = ledger
        self._dice = dice
        self._ending = False
        # Whether the session keeps its guard stopped: nothing that the guard should do happens then.
        self.stopped = False
        self._missed: list[Call] = []
        self._end: Due = world.at(end.after_s, partial(self._over, "exit"))
        self._fence: Due | None = None

    @property
    def untouched(self) -> bool:
        """True while the session runs and nobody has ordered its end."""
        return self.alive and not self._ending

    def set_fence(self, until_s: float) -> None:
        """Extends the right to run."""
        if self._fence is not None:
            self._fence.cancel()
        self._fence = self._world.at(until_s - self._world.now_s, partial(self.kill, "fence", GRACE_S))

    def kill(self, why: str, grace_s: float) -> None:
        """Sends TERM, and KILL after the grace period; some sessions end at once, others only by KILL."""
        if self.stopped:
            self._missed.append(partial(self.kill, why, grace_s))
            return
        if not self.alive:
            return
        takes_s = self._dice.choice((MOMENT_S, self._dice.uniform(0, grace_s), grace_s + MOMENT_S))
        if self._ending and self._world.now_s + takes_s >= self._end.at_s:
            return
        self._ending = True
        self._end.cancel()
        self._end = self._world.at(takes_s, partial(self._over, why))

    def lose(self) -> None:
        """Kills the guard itself; its tree lives on."""
        self._world.log(f"the guard of {self.tree.name} is killed")
        self.alive = self.tree.guarded = False
        self._missed.clear()
        self._stop_timers()
        if self.on_end is not None:
            self.on_end(None)

    def stop(self) -> None:
        """Stops the guard, as its session can; the session stops it again after each SIGCONT."""
        self._world.log(f"the session {self.tree.name} stops its guard")
        self.stopped = True

    def resume(self) -> None:
        """Lets the guard do what it has missed."""
        self.stopped = False
        missed, self._missed = self._missed, []
        for call in missed:
            call()

    def end_from_outside(self) -> None:
        """Ends the tree of a guard that is still stopped."""
        if self.alive:
            self.stopped = False
            self._over("ended from outside")

    def kill_orphans(self) -> None:
        """Kills the tree that a lost guard has left."""
        self._ledger.end(self.tree, "swept")

    def _over(self, why: str) -> None:
        if self.stopped:
            self._missed.append(partial(self._over, why))
            return
        if not self.alive:  # a stopped guard has missed both its session's end and a kill
            return
        self.alive = False
        self._stop_timers()
        self._ledger.end(self.tree, why)
        if self.on_end is not None:
            self.on_end(why)

    def _stop_timers(self) -> None:
        self._end.cancel()
        if self._fence is not None:
            self._fence.cancel()


@dataclass(slots=True)
class Machine:
    """A worker's host, which outlives the worker's processes."""

    world: World
    ledger: Ledger
    name: str
    slots: int
    dice: random.Random
    # The worker's state folder and its project; both are real folders.
    path: Path
    guards: list[Guard] = field(default_factory=list)
    lives: int = 0
    # Whether a file EMERGENCY_STOP exists.
    stop_file: bool = False

    @property
    def outbox(self) -> list[str]:
        """The names of the outcomes that the server has not answered."""
        return sorted(path.name for path in (self.path / "outbox").glob("*.outcome"))

    def spawn(self, tree: Tree, end: End, *, session: bool) -> Guard:
        """Starts a process tree under a guard."""
        self.ledger.start(tree, session=session)
        guard = Guard(self.world, self.ledger, tree, self.dice, end)
        self.guards = [found for found in self.guards if found.alive or not found.tree.guarded]
        self.guards.append(guard)
        return guard

    def orphan(self) -> None:
        """Lets all guards notice that the worker has died."""
        for guard in self.guards:
            guard.on_end = None
            guard.kill("orphaned", GRACE_S)
            if guard.stopped:
                self.world.at(FORK_SERVER_ENDS_S, guard.end_from_outside)

    def continue_guards(self) -> None:
        """Lets the fork server continue guards; it does so while the worker is frozen."""
        for guard in self.guards:
            guard.resume()

    def kill_orphans(self) -> int:
        """Kills what lost guards have left; returns the number of trees."""
        left = [guard for guard in self.guards if not guard.tree.guarded]
        self.guards = [guard for guard in self.guards if guard.tree.guarded]
        for guard in left:
            guard.kill_orphans()
        return len(left)

    def when_quiet(self, call: Call) -> None:
        """Calls back as soon as no guard of a former process holds its lock."""
        if any(guard.alive for guard in self.guards):
            self.world.at(0.5, partial(self.when_quiet, call))
        else:
            call()
