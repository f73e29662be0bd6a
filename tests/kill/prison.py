"""A worker that runs a session of each style of escape, and the survivors of the sessions."""

import time
from collections.abc import Mapping
from pathlib import Path

from fakes.containment_levels import Level
from fakes.process_tree import ESCAPES, Ledger, end_all
from fakes.swarm_server import Address, FakeSwarm, WorkerProcess, claim
from support.waiting import eventually
from swarm_worker.guard.procfs import children_lookup
from swarm_worker.supervision.fork_client import FORK_SERVER

# Time without a new process before a tree counts as gone: a storm is silent while it forks.
CALM_S = 0.3


class Prison:
    """A worker with the ledgers of its sessions by style."""

    def __init__(self, folder: Path, address: Address, reached: Level) -> None:
        self.address = address
        self.fake: FakeSwarm = address.fake
        self.worker = WorkerProcess(folder, address.text)
        self._level = reached
        self._folder = folder
        self.ledgers: dict[str, Ledger] = {}
        for style in ESCAPES:
            (folder / style).mkdir()
            self.ledgers[style] = Ledger(folder / style)

    @property
    def level(self) -> str:
        """The containment level that receipts should name."""
        return self._level.containment.level

    @property
    def emergency_file(self) -> Path:
        """The file that stops all workers of the state folder."""
        return self.worker.state / "EMERGENCY_STOP"

    def start(self, *flags: str) -> None:
        """Starts the worker."""
        evil = " ".join(self.ledgers["plain"].argv("STYLE")).replace("STYLE", '"$SWARM_TASK_ID"')
        command = "exec " + evil.replace("/plain/", '/"$SWARM_TASK_ID"/')
        builder = self.worker.script("evil.sh", command)
        flags = ("--slots", str(len(ESCAPES)), "--containment", self._level.flag, *flags)
        self.worker.start(*flags, builder=builder, within=self._level.within)

    async def start_trees(self) -> None:
        """Starts a session of each style, and waits until all trees are complete."""
        await self.worker.until(lambda: self.fake.registered, what="it registers")
        assert self.fake.registered[-1].containment == self.level
        self.fake.send(claims=[claim(style) for style in ESCAPES])
        await self.worker.until(lambda: not self.incomplete(), what="all trees are complete")

    def incomplete(self) -> Mapping[str, int]:
        """Returns the styles of which some processes have not started."""
        signed = {style: ledger.signed for style, ledger in self.ledgers.items()}
        return {style: signed[style] for style, wanted in ESCAPES.items() if signed[style] < wanted}

    def survivors(self) -> Mapping[str, list[str]]:
        """Returns the live processes, by style."""
        alive = {style: ledger.alive() for style, ledger in self.ledgers.items()}
        return {style: pids for style, pids in alive.items() if pids}

    async def wait_calm(self) -> None:
        """Waits until nothing lives, and no process has started for a moment."""
        calm_since = time.monotonic()
        signed = -1

        def is_calm() -> bool:
            nonlocal calm_since, signed
            now_signed = sum(ledger.signed for ledger in self.ledgers.values())
            if now_signed != signed or self.survivors():
                calm_since, signed = time.monotonic(), now_signed
            return time.monotonic() > calm_since + CALM_S

        await eventually(is_calm, "nothing of any session lives")

    def guards(self) -> list[int]:
        """Returns the guards of the worker, which are the children of its fork server."""
        return [guard for server in self.fork_servers() for guard in children_lookup()(server)]

    def fork_servers(self) -> list[int]:
        """Returns the fork server of the worker, as a list of one."""
        return [pid for pid in children_lookup()(self.worker.pid) if _runs(pid, FORK_SERVER)]

    def guard_of(self, style: str) -> int:
        """Returns the guard that holds the lock of the session."""
        lock = self.worker.state / "w1" / "guards" / f"{style}-a1-builder-1.lock"
        [guard] = [pid for pid in self.guards() if _has_open(pid, lock)]
        return guard

    def close(self) -> None:
        """Kills what is left, in case the programs failed to."""
        self.worker.end()
        end_all(self._folder)


def _has_open(pid: int, path: Path) -> bool:
    return any(_leads_to(fd, path) for fd in list(Path(f"/proc/{pid}/fd").iterdir()))


def _leads_to(fd: Path, path: Path) -> bool:
    try:
        return fd.readlink() == path
    except OSError:  # the descriptor was closed meanwhile
        return False


def _runs(pid: int, program: str) -> bool:
    try:
        return program.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
