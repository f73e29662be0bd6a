"""A session that stops its guard, or its guard's fork server, ends by every cause all the same."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from amplifier_swarm.exits import ProgramExit
from fakes.process_tree import STYLES, Ledger
from support.waiting import eventually, until
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.guard_tree import end_guard, format_process, is_alive, parse_process
from swarm_worker.guard.procfs import PR_SET_CHILD_SUBREAPER, Process, children, descendants, prctl, stat
from swarm_worker.storage.state_dir import StateFolder, state_folder
from swarm_worker.supervision import guard_locks
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guard_locks import GuardLock, wait_for_guards
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

STOP_GUARD = "kill -STOP $PPID"
STOP_FORK_SERVER = 'kill -STOP "$(cut -d " " -f 4 "/proc/$PPID/stat")"'
# Each is the start of a session.
ATTACKS = {
    "once": f"{STOP_GUARD};",
    "again and again": f"(for i in 1 2 3 4 5 6 7 8 9; do {STOP_GUARD} || break; sleep 0.3; done) &",
    # Ends when the guard has: a later process may get its number.
    "without pause": f"(while {STOP_GUARD} 2>/dev/null; do :; done) &",
    "with its fork server": f"{STOP_FORK_SERVER}; {STOP_GUARD};",
}


@dataclass
class Bench:
    """A runner of sessions that write down their processes."""

    folder: Path
    ledger: Ledger
    stop: Stop = field(default_factory=lambda: Stop(grace_s=0.2))
    fence: Fence = field(default_factory=Fence)
    stall_factor: float = 1.0

    def stdout(self, chunk: bytes) -> None:
        """Drops the output."""

    stderr = stdout

    async def run(self, attack: str, *, limits: RunLimits = RunLimits(60, 0, 0.2)) -> RunEnd:  # noqa: B008  # frozen
        shell = f"{attack} exec {' '.join(self.ledger.argv('deaf'))}"
        launch = Launch(
            ("/bin/sh", "-c", shell), self.folder, {"PATH": os.defpath}, self.folder / "session.lock"
        )
        return await run_guarded(launch, limits=limits, fence=self.fence, stop=self.stop, sink=self)


@pytest.fixture
async def bench(tmp_path: Path, ledger: Ledger) -> Bench:
    bench = Bench(tmp_path, ledger)
    bench.fence.set_stop_after(600, since=now_s())
    await bench.fence.supervisor.kill_leftovers()
    return bench


@pytest.fixture(autouse=True)
def _no_subreaper() -> Iterator[None]:
    """Makes the test process an ordinary parent again after each test."""
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0)


@pytest.mark.slow
@pytest.mark.parametrize("graceful", [True, False])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_an_order_ends_it(bench: Bench, attack: str, *, graceful: bool) -> None:
    session = asyncio.create_task(bench.run(attack))
    # A guard that is stopped without pause may be killed before the session has started more.
    await eventually(lambda: bench.ledger.signed == 2 or session.done(), "the tree is complete")

    bench.stop.request(StopOrder("test", graceful=graceful))
    ended = await session

    assert bench.ledger.alive() == []
    assert ended.cause in (EndCause.ORDER, EndCause.LOST)
    assert ended.receipt.survivors == 0


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize(
    ("limits", "fence_s"),
    [(RunLimits(1, 0, 0.2), 600), (RunLimits(60, 1, 0.2), 600), (RunLimits(60, 0, 0.2), 1)],
    ids=["timeout", "stall", "fence"],
)
async def test_each_other_cause_ends_it(bench: Bench, attack: str, limits: RunLimits, fence_s: float) -> None:
    bench.fence.set_stop_after(fence_s, since=now_s())

    ended = await bench.run(attack, limits=limits)

    assert bench.ledger.alive() == []
    assert ended.cause in (EndCause.TIMEOUT, EndCause.STALL, EndCause.FENCE, EndCause.LOST)
    assert ended.receipt.survivors == 0


@pytest.mark.slow
async def test_a_session_that_takes_its_guard_s_descriptors_ends_all_the_same(bench: Bench) -> None:
    """With a limit of 0 open files the guard can neither see nor signal processes."""
    take = "import resource, sys; resource.prlimit(int(sys.argv[1]), resource.RLIMIT_NOFILE, (0, 0))"
    session = asyncio.create_task(bench.run(f"{sys.executable} -S -c '{take}' $PPID;"))
    await eventually(lambda: bench.ledger.signed == 2, "the tree is complete")

    bench.stop.request(StopOrder("test", graceful=False))
    ended = await session

    assert bench.ledger.alive() == []
    assert (ended.cause, ended.receipt.survivors) == (EndCause.ORDER, 0)
    assert ended.receipt.killed >= 1


async def test_a_session_that_stops_its_guard_once_is_not_harmed(bench: Bench) -> None:
    launch = Launch(
        ("/bin/sh", "-c", f"{STOP_GUARD}; exit 4"), bench.folder, {"PATH": os.defpath}, bench.folder / "lock"
    )

    ended = await run_guarded(
        launch, limits=RunLimits(60, 0, 0.2), fence=bench.fence, stop=bench.stop, sink=bench
    )

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 4)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["once", "without pause"])
async def test_it_ends_when_its_worker_dies(tmp_path: Path, ledger: Ledger, attack: str) -> None:
    """The fork server outlives the worker until the guards have ended."""
    shell = f"{ATTACKS[attack]} exec {' '.join(ledger.argv('deaf'))}"
    async with _worker(tmp_path, shell) as worker:
        # A guard that is stopped without pause may be killed before the session has started more.
        await eventually(lambda: ledger.signed == 2 or worker.returncode is not None, "the tree is complete")
        ours = descendants(worker.pid)

    await eventually(lambda: not ledger.alive(), "the tree is gone")
    await eventually(lambda: not any(map(is_alive, ours)), "the fork server and the guard are gone")


@pytest.mark.slow
@pytest.mark.parametrize("dead", [True, False], ids=["dead", "frozen"])
@pytest.mark.parametrize("style", ["deaf", "cleared", "storm"])
async def test_what_a_killed_guard_leaves_ends_with_a_worker_that_kills_nothing(
    tmp_path: Path, ledger: Ledger, style: str, *, dead: bool
) -> None:
    """A guard that is stopped too often is killed, and its worker may die or freeze before it has killed the rest."""
    async with _worker(tmp_path, f"exec {' '.join(ledger.argv(style))}") as worker:
        await eventually(lambda: ledger.signed >= STYLES[style], "the tree is complete")
        worker.send_signal(signal.SIGSTOP)
        [fork_server] = children(worker.pid)
        [guard] = children(fork_server)
        os.kill(guard, signal.SIGKILL)
        if not dead:
            await eventually(lambda: not ledger.alive() and not children(fork_server), "the tree is gone")

    await eventually(lambda: not ledger.alive() and stat(fork_server) is None, "nothing is left")


@contextlib.asynccontextmanager
async def _worker(folder: Path, shell: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process with one session, killed at the end."""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", _WORKER, str(folder), shell)
    try:
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    with state_folder(tmp_path, name="w1") as folder:
        yield folder


def _stubborn_guard(folder: StateFolder, ledger: Ledger) -> subprocess.Popen[bytes]:
    """Starts a process that holds a lock and does not end with its worker, with a process tree below it."""
    path = folder.guard_lock("t-a1-builder-1")
    with GuardLock(path) as lock:
        fd = lock.acquire()
        argv = [sys.executable, "-c", _GUARD, *ledger.argv("every")]
        guard = subprocess.Popen(argv, pass_fds=(fd,))
        found = stat(guard.pid)
        assert found
        os.pwrite(fd, format_process(found.process).encode(), 0)
    return guard


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [True, False])
async def test_the_next_worker_ends_a_guard_that_does_not_act_with_all_below_it(
    folder: StateFolder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    monkeypatch.setattr(guard_locks, "SILENT_GUARD_S", 0.2)
    guard = _stubborn_guard(folder, ledger)
    await eventually(lambda: ledger.signed >= STYLES["every"], "the tree is complete")
    if stopped:
        guard.send_signal(signal.SIGSTOP)

    wait_for_guards(folder, timeout_s=60)

    assert ledger.alive() == []
    assert guard.wait() == -signal.SIGKILL
    assert list((folder.path / "guards").iterdir()) == []


def test_a_session_that_can_not_be_ended_is_named_with_its_processes(
    folder: StateFolder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_locks, "end_guard", lambda guard, **_: {guard})
    guard = _stubborn_guard(folder, ledger)
    try:
        # What a tree that is still growing starts last could outlive the guard.
        until(lambda: ledger.signed >= STYLES["every"], "the tree is complete")
        with pytest.raises(ProgramExit) as refused:
            wait_for_guards(folder, timeout_s=0.1)
    finally:
        found = stat(guard.pid)
        assert found
        end_guard(found.process)
        guard.wait()

    assert f"does not end (guard {guard.pid}, processes " in str(refused.value)


def test_the_guard_in_a_lock_file_is_never_a_later_process_with_its_number(folder: StateFolder) -> None:
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        path = folder.guard_lock("t-a1-builder-1")
        with GuardLock(path) as lock:
            os.pwrite(lock.acquire(), format_process(Process(bystander.pid, "1")).encode(), 0)
            guard_locks._continue_or_end(path, end=True)

            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("text", ["", "\n", "12", "x 3", "1 y", "é"])
def test_a_lock_file_without_a_process_names_nobody(text: str) -> None:
    assert parse_process(text) is None


_WORKER = """
import asyncio, os, sys, uuid
from pathlib import Path
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import Launch, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor

class NoOutput:
    def stdout(self, chunk): pass
    stderr = stdout

async def main(folder, shell):
    fence = Fence(ProcessSupervisor(instance=uuid.uuid4().hex))
    fence.set_stop_after(600, since=now_s())
    await fence.supervisor.kill_leftovers()
    launch = Launch(("/bin/sh", "-c", shell), Path(folder), {"PATH": os.defpath}, Path(folder) / "lock")
    await run_guarded(launch, limits=RunLimits(60, 0, 0.2), fence=fence, stop=Stop(grace_s=0.2), sink=NoOutput())

asyncio.run(main(*sys.argv[1:]))
"""
_GUARD = """
import subprocess, sys, time
from swarm_worker.guard.procfs import PR_SET_CHILD_SUBREAPER, prctl
prctl(PR_SET_CHILD_SUBREAPER, 1)
subprocess.Popen(sys.argv[1:])
time.sleep(600)
"""
