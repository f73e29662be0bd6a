"""swarm-worker on virtual time: the real agent, with its streams, heartbeats, slots, attempts, sessions and outbox.

What is simulated below it is in seams.py and machine.py. Its one rule: what the process knows dies with it,
and what its disk has does not.
"""

from collections.abc import Callable
from typing import cast

from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.masking import Mask
from sim.machine import GRACE_S, Machine
from sim.network import Link
from sim.plans import Plans, SimRunner
from sim.process import Process
from sim.seams import SimWatch
from sim.wire import SimService
from sim.world import Call, Violated, World
from swarm_worker.config import WorkerConfig
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.startup import WorkerContext
from swarm_worker.storage.files import make_private_folder
from swarm_worker.storage.state_dir import StateFolder
from swarm_worker.worker import Worker

# How many requests for streams one life may make; the real one counts in the same way.
OPENINGS = 2**32


class SimWorker(Process):
    """One process of swarm-worker; `gone` is told when it has left by itself."""

    def __init__(self, world: World, machine: Machine, link: Link, plans: Plans, *, gone: Call) -> None:
        machine.lives += 1
        super().__init__(world, f"{machine.name}.{machine.lives}")
        self.machine = machine
        self.plans = plans
        self.service = SimService(self, link)
        self.watch: SimWatch | None = None
        self._gone = gone
        self._agent: Worker | None = None
        world.log(f"{self.name} starts")
        self.begin(self._live())

    def crash(self) -> None:
        """SIGKILL."""
        self.world.log(f"{self.name} is killed")
        self._end()

    def order(self, what: Callable[[Worker], None]) -> None:
        """A signal to the real worker."""
        if self._agent is not None:
            agent = self._agent
            self.world.log(f"{self.name}: {what.__name__}")
            self.enter(lambda: what(agent))

    def look(self) -> None:
        """The file that stops everything has come, or has gone."""
        if self.watch is not None:
            self.enter(self.watch.look)

    async def _live(self) -> None:
        machine = self.machine
        folder = StateFolder(machine.name, machine.path, f"{machine.name}-disk", machine.lives * OPENINGS)
        for part in ("guards", "outbox"):
            make_private_folder(folder.path / part)
        folder.forget_sessions()
        config = WorkerConfig(
            server="sim",
            name=machine.name,
            slots=machine.slots,
            kill_grace=GRACE_S,
            stall_timeout=self.plans.stall_s,
        )
        setup = WorkerContext(folder, SimRunner(), machine.path, {}, Mask(), "sim")
        stubs = ServerConnection(cast("object", self.service), ())  # type: ignore[arg-type]
        self._agent = Worker(config, setup, stubs, ready=lambda: None)
        try:
            await self._agent.run()
        except (Exception, ProgramExit) as error:  # noqa: BLE001  # whatever it is, the worker should not end by it
            fault = Violated(f"{self.name} fails with {error!r}")
            fault.__cause__ = error
            self.world.fail(fault)
        self.world.log(f"{self.name} exits")
        self._end()
        self._gone()

    def _end(self) -> None:
        self.die()
        self.machine.orphan()
