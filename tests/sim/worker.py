"""swarm-worker on virtual time: the real program with its streams, heartbeats, slots, attempts, sessions and outbox.

seams.py and machine.py simulate what is below it.
Invariant: the memory of a process dies with the process, and its disk does not.
"""

from collections.abc import Callable
from typing import cast

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.masking import Mask
from amplifier_swarm.state_paths import make_private_folder
from sim.machine import GRACE_S, Machine
from sim.network import Link
from sim.plans import Plans, SimRunner
from sim.process import Process
from sim.seams import SimHostWatch
from sim.wire import SimService
from sim.world import Call, Violated, World
from swarm_worker.config import WorkerConfig
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.startup import WorkerContext
from swarm_worker.storage.state_dir import StateFolder
from swarm_worker.worker import Worker

# How many requests for streams one life may make; the real one counts in the same way.
OPENINGS = 2**32


class SimWorker(Process):
    """A process of swarm-worker; `on_exit` is called when the process has ended by itself."""

    def __init__(self, world: World, machine: Machine, link: Link, plans: Plans, *, on_exit: Call) -> None:
        machine.lives += 1
        super().__init__(world, f"{machine.name}.{machine.lives}")
        self.machine = machine
        self.plans = plans
        self.service = SimService(self, link)
        self.watch: SimHostWatch | None = None
        self._on_exit = on_exit
        self._worker: Worker | None = None
        world.log(f"{self.name} starts")
        self.run(self._live())

    def freeze(self) -> None:
        """Freezes the process, like SIGSTOP; the fork server looks after the guards."""
        super().freeze()
        self.machine.continue_guards()

    def crash(self) -> None:
        """Kills the process by SIGKILL."""
        self.world.log(f"{self.name} is killed")
        self._end()

    def order(self, what: Callable[[Worker], None]) -> None:
        """Delivers a signal to the real worker."""
        if self._worker is not None:
            worker = self._worker
            self.world.log(f"{self.name}: {what.__name__}")
            self.enter(lambda: what(worker))

    def check_stop_file(self) -> None:
        """Makes the host watch look, after the stop file came or went."""
        if self.watch is not None:
            self.enter(self.watch.check)

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
            exit_when_idle=machine.idle_s,
        )
        context = WorkerContext(folder, SimRunner(self.plans.cost), machine.path, {}, Mask(), "sim")
        connection = ServerConnection(cast("object", self.service), ())  # type: ignore[arg-type]
        self._worker = Worker(config, context, connection, ready=lambda: None)
        try:
            await self._worker.run()
        except ProgramExit as error:
            if not (machine.idle_s and error.code == ExitCode.UNREACHABLE):
                self.world.fail(Violated(f"{self.name} ends with {error!r}"))
        except Exception as error:  # noqa: BLE001  # whatever it is, the worker should not end by it
            fault = Violated(f"{self.name} fails with {error!r}")
            fault.__cause__ = error
            self.world.fail(fault)
        self.world.log(f"{self.name} exits")
        self._end()
        self._on_exit()

    def _end(self) -> None:
        self.die()
        self.machine.orphan()
