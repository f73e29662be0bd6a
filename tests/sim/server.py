"""swarmd as the network sees it: the real engine behind the real services, which may crash or freeze."""

import asyncio
import random
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from sim.storage import SteppedDatabase, survivors
from sim.world import Call, SimClock, SimEntropy, Violated, World
from swarmd.domain.errors import SwarmError
from swarmd.domain.lifecycle import TaskStatus
from swarmd.engine.swarm import EnginePolicy, Swarm
from swarmd.rpc.operator_service import OperatorService
from swarmd.rpc.worker_service import WorkerService
from swarmd.store import attempts
from swarmd.store import swarm as swarm_row
from swarmd.wire.reads import Reads

# The longest time of a commit, and of the way from the writer back to its callers.
COMMIT_S = 0.004
SLOW_COMMIT_S = 0.8


class SimServer:
    """A server over all its processes. `answer` callbacks get a message or the error."""

    def __init__(self, world: World, folder: Path, policy: EnginePolicy) -> None:
        self.world = world
        self.policy = policy
        self.up = False
        self.serving = False
        self.frozen = False
        self.slow = False
        self.life = 0
        self._folder = folder
        self._path = folder / "0" / "swarm.db"
        self._path.parent.mkdir()
        self._dice = world.dice("server")
        self._thawing: deque[Call] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = False
        self._told_s = 0.0
        self._untold = 0

    # ── its life ────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Starts a new process on the files of the last one."""
        self.life += 1
        self.up, self.frozen, self._writing = True, False, False
        self._thawing.clear()
        self._tasks = set()
        self._untold = 0
        self.clock = SimClock(self.world, partial(self._enter, self.life))
        self.db = SteppedDatabase(self._path, wall_us=self.clock.wall_us)
        entropy = SimEntropy(self.world.dice(f"entropy {self.life}"))
        self.swarm = Swarm(self.db, clock=self.clock, entropy=entropy, policy=self.policy)
        self.workers = WorkerService(self.swarm)
        self.operators = OperatorService(self.swarm, Reads(self.swarm, started_us=self.clock.wall_us()))
        self._spawn(self._begin(self.life))

    def crash(self) -> None:
        """Kills the process by SIGKILL, in the middle of its writes."""
        self.world.log(f"server life {self.life} is killed")
        self.up = self.serving = False
        for task in self._tasks:
            task.cancel()
        for task in list(self.swarm._tasks):
            task.cancel()
        path = survivors(self._path, self._folder / str(self.life))
        self.db.drop()
        shutil.rmtree(self._path.parent)
        self._path = path

    def runs(self, life: int) -> bool:
        """Returns whether the process of that number still runs."""
        return self.up and self.life == life

    def freeze(self, seconds: float) -> None:
        """Freezes the process for a time, like SIGSTOP."""
        if self.up and not self.frozen:
            self.world.log("server stands still")
            self.frozen = True
            self.world.at(seconds, partial(self._thaw, self.life))

    def finish(self) -> None:
        """Closes everything at the end of the simulation."""
        if self.up:
            self.crash()

    def _thaw(self, life: int) -> None:
        if life != self.life or not self.up:
            return
        self.world.log("server goes on")
        self.frozen = False
        while self._thawing and not self.frozen:
            self._thawing.popleft()()

    def _enter(self, life: int, call: Call) -> None:
        """Runs a call inside the process: never in a later process, later if the process is frozen."""
        if life != self.life or not self.up:
            return
        if self.frozen:
            self._thawing.append(call)
        else:
            call()

    async def _begin(self, life: int) -> None:
        """Serves nobody before memory is built."""
        await self.swarm.boot()
        self.serving = True
        self.world.log(f"server life {life} serves")
        self._look_later()

    # ── calls ───────────────────────────────────────────────────────────────────────────────────

    def call(
        self, method: Callable[["SimServer"], Coroutine[Any, Any, Any]], answer: Callable[[Any], None]
    ) -> None:
        """Handles a request."""

        life = self.life

        async def handle() -> None:
            try:
                result = await method(self)
            except SwarmError as error:
                result = error
            if life == self.life and self.up:
                answer(result)

        self._enter(self.life, lambda: self._run(handle()))

    def stream(
        self,
        request: Any,
        send: Callable[[Any], None],
        ended: Callable[[SwarmError | None], None],
    ) -> Callable[[], None]:
        """Opens a stream; returns a function that closes it."""
        hung: list[asyncio.Task[None]] = []
        gone = False

        async def serve() -> None:
            responses: AsyncIterator[Any] = self.workers.ClaimTask(request, None)  # type: ignore[arg-type]
            why: SwarmError | None = None
            try:
                async for response in responses:
                    send(response)
            except SwarmError as error:
                self.world.log(f"server ends the stream of {request.worker}: {error.reason}")
                why = error
            if life == self.life and self.up:
                ended(why)

        def begin() -> None:
            if not gone:
                hung.append(self._spawn(serve()))

        def hang_up() -> None:
            nonlocal gone
            gone = True
            for task in hung:
                self._enter(life, partial(_cancel, task))

        life = self.life
        self._enter(life, begin)
        return hang_up

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self.up and not task.cancelled() and (error := task.exception()) is not None:
            fault = Violated(f"a call failed with {error!r}")
            fault.__cause__ = error
            self.world.fail(fault)

    # ── the writer ──────────────────────────────────────────────────────────────────────────────

    def kick(self) -> None:
        """Schedules the writer for what waits to be written."""
        if self.up and not self._writing and self.db.waiting:
            self._writing = True
            self.world.at(self._pause_s(), partial(self._enter, self.life, self._write))

    def _write(self) -> None:
        group = self.db.commit()
        self._writing = False
        self._told_s = max(self._told_s, self.world.now_s + self._pause_s())
        delay_s = self._told_s - self.world.now_s
        self._untold += 1
        self.world.at(delay_s, partial(self._enter, self.life, partial(self._tell, group)))

    def _tell(self, group: list[Any]) -> None:
        self._untold -= 1
        self.db.deliver(group)

    def _pause_s(self) -> float:
        return self._dice.uniform(0, SLOW_COMMIT_S if self.slow else COMMIT_S)

    def check_memory(self) -> None:
        """Checks that the engine's memory matches the store, whenever nothing is being written."""
        if not self.serving or self.frozen or self._writing or self._untold or self.db.waiting:
            return
        live = self.swarm.live
        stored = {
            (found.lease.task_id, found.lease.number): found for found in self.db.look(attempts.all_open)
        }
        kept = {(found.lease.task_id, found.lease.number): found for found in live.leases()}
        if stored.keys() != kept.keys():
            raise Violated(f"leases in memory {sorted(kept)}, in the store {sorted(stored)}")
        for name, found in stored.items():
            if found.status is TaskStatus.KILLING and kept[name].order is None:
                raise Violated(f"{name} is being killed, and no heartbeat will say so")
            if kept[name].started != (found.status is not TaskStatus.CLAIMED):
                raise Violated(f"{name} is {found.status}, and memory has started={kept[name].started}")
        if live.done is self.db.look(swarm_row.has_open):
            raise Violated(f"workers hear done={live.done}, and that is wrong")

    # ── the reaper ──────────────────────────────────────────────────────────────────────────────

    def _look_later(self) -> None:
        self.world.at(self.policy.pace.look_every_s, partial(self._enter, self.life, self._look))

    def _look(self) -> None:
        async def look() -> None:
            await self.swarm.check_leases()
            self._look_later()

        self._spawn(look())


def jumped(clock: SimClock, dice: random.Random) -> None:
    """Sets the wall clock to another time."""
    clock.wall_offset_us = dice.choice((0, -3_600, 3_600, 86_400 * 365 * 10, -86_400 * 365)) * 1_000_000


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
