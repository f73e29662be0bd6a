"""Real programs with a proxy between them, and the faults that a nemesis applies to them."""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos.nemesis import TOXICS, Fault, Step
from chaos.proxy import CLEAN, Lane, Proxy, Side
from support.programs import Program, Stage, stage

# Silence is noticed in seconds; a heartbeat still gets through the latency that is drawn.
PACE: Final = (
    "--heartbeat-interval", "0.5", "--suspect-after", "1.5", "--lost-after", "5", "--retry-backoff", "0.1",
)  # fmt: skip
COMMAND: Final = ("--runner", "command", "--no-validation", "--kill-grace", "0.2", "--builder-command")
# If a thread waits this long for its turn, the machine itself is at fault.
STALL_S: Final = 0.7


@dataclass
class Arena:
    """A server, its workers by number, and a proxy lane for each worker."""

    stage: Stage
    proxy: Proxy
    script: Path
    server: Program
    lanes: list[Lane] = field(default_factory=list)
    workers: list[Program] = field(default_factory=list)

    def enlist(self, count: int) -> None:
        """Starts workers, each behind a lane of its own and in a project of its own."""
        for _ in range(count):
            self.lanes.append(self.proxy.lane())
            self.workers.append(self._start(len(self.workers)))

    def apply(self, step: Step) -> None:
        """Applies the fault."""
        for number in step.workers:
            self._hit(step.fault, number)
        if step.fault is Fault.KILL_SERVER:
            self.server.kill()
        elif step.fault is Fault.STOP_SERVER:
            self.server.send(signal.SIGSTOP)

    def heal(self, step: Step) -> None:
        """Heals the fault."""
        for number in step.workers:
            if step.fault in TOXICS:
                self.lanes[number].set(CLEAN)
            elif step.fault is Fault.STOP_WORKER:
                self.workers[number].send(signal.SIGCONT)
            elif step.fault is Fault.KILL_WORKER:
                self.workers[number] = self._start(number)
        if step.fault is Fault.KILL_SERVER:
            self.server = self.stage.swarmd(*PACE)
        elif step.fault is Fault.STOP_SERVER:
            self.server.send(signal.SIGCONT)

    def outbox(self, number: int) -> list[Path]:
        """Returns the outcomes that a worker has not delivered."""
        folder = self.stage.worker_state / f"w{number}" / "outbox"
        return [path for path in folder.glob("*") if path.is_file()]

    def _hit(self, fault: Fault, number: int) -> None:
        lane, worker = self.lanes[number], self.workers[number]
        if fault in TOXICS:
            lane.set(TOXICS[fault])
        if fault in (Fault.RESET, Fault.SLOW_CLOSE):
            lane.reset()
        elif fault is Fault.HALF_OPEN_SERVER:
            lane.half_open(Side.SERVER)
        elif fault is Fault.HALF_OPEN_WORKER:
            lane.half_open(Side.CLIENT)
        elif fault is Fault.KILL_WORKER:
            worker.kill()
        elif fault is Fault.STOP_WORKER:
            worker.send(signal.SIGSTOP)

    def _start(self, number: int) -> Program:
        project = self.stage.folder / "projects" / f"w{number}"
        project.mkdir(parents=True, exist_ok=True)
        place = ("--server", self.lanes[number].address, "--project-root", str(project))
        argv = (*place, "--name", f"w{number}", *COMMAND, str(self.script))
        return self.stage.start(f"w{number}", *argv, program="swarm-worker")


@contextmanager
def arena(folder: Path, script: Path, *, seed: int = 0) -> Iterator[Arena]:
    """Runs a server behind a proxy; every program has ended when the block ends."""
    with stage(folder) as found:
        server = found.swarmd(*PACE)
        with Proxy(found.address, seed=seed) as proxy:
            yield Arena(found, proxy, script, server)


class Stalls:
    """A watch for stalls of the machine itself, which are faults like any other."""

    def __init__(self) -> None:
        # Wall time in seconds: from when to when.
        self.found: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stalls", daemon=True)

    def __enter__(self) -> Sequence[tuple[float, float]]:
        self._thread.start()
        return self.found

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before_s = time.monotonic()
        while not self._over.wait(0.05):
            gap_s = time.monotonic() - before_s
            if gap_s > STALL_S:
                self.found.append((time.time() - gap_s, time.time()))
            before_s = time.monotonic()
