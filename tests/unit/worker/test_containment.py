"""At every containment level a session starts, runs and ends in the same way."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.containment_levels import LEVELS, Level, level
from fakes.process_tree import Ledger
from support.sinks import MergedSink
from support.waiting import eventually
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard import control as controls
from swarm_worker.guard.containment import CGROUP2, PIDNS, Containment
from swarm_worker.guard.control import Control
from swarm_worker.supervision.fence import Fence, OpenFence, now_s
from swarm_worker.supervision.fork_client import PACKAGES
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor

NOBODY = 65534
# After the change of user a process can't read its own files and does not own its /proc entries, until it is dumpable.
PRINT_VIEW = """
import ctypes, os, sys
sys.path.append(sys.argv[2])
from swarm_worker.guard.spawn import SpawnPlan, spawn
user = int(sys.argv[1])
os.setgroups([])
os.setgid(user)
os.setuid(user)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
look = 'echo $$ $(id -u) $(stat -c %u /)'
os.waitpid(spawn(SpawnPlan("/", ["/bin/sh", "-c", look], {"PATH": os.defpath}, (0, 1, 2), "pidns", (), ())).pid, 0)
"""
LIMITS = RunLimits(timeout_s=60, stall_s=0, grace_s=0.2)


@dataclass
class Bench:
    folder: Path
    fence: Fence
    stop: Stop = field(default_factory=lambda: Stop(grace_s=0.2))
    output: MergedSink = field(default_factory=MergedSink)

    @property
    def cgroup(self) -> str:
        return self.fence.supervisor.cgroup_for("session")

    async def run(self, *argv: str, stdin: bytes | None = None) -> RunEnd:
        launch = Launch(argv, self.folder, {"PATH": os.defpath}, self.folder / "session.lock", stdin)
        return await run_guarded(launch, limits=LIMITS, fence=self.fence, stop=self.stop, sink=self.output)


def _bench(folder: Path, containment: Containment) -> Bench:
    fence = Fence(ProcessSupervisor(containment, instance=uuid.uuid4().hex))
    fence.set_stop_after(600, since=now_s())
    return Bench(folder, fence)


@pytest.fixture(params=LEVELS)
def reached(request: pytest.FixtureRequest) -> Iterator[Level]:
    with level(request.param) as found:
        yield found


@pytest.fixture
async def bench(tmp_path: Path, reached: Level) -> Bench:
    return _bench(tmp_path, reached.containment)


async def test_a_session_reads_writes_and_exits(bench: Bench, reached: Level) -> None:
    ended = await bench.run("/bin/sh", "-c", "cat; echo two >&2; exit 7", stdin=b"one\n")

    assert ended == RunEnd(EndCause.EXIT, 7, receipt=ended.receipt)
    assert sorted(bench.output.out.split()) == [b"one", b"two"]
    assert ended.receipt.containment == reached.containment.level
    assert (ended.receipt.terminated, ended.receipt.killed) == (0, 0)


async def test_a_session_dies_by_its_own_signal(bench: Bench) -> None:
    ended = await bench.run("/bin/sh", "-c", "kill -TERM $$; sleep 60")

    assert ended.exit_code == -signal.SIGTERM


async def test_a_program_that_can_not_be_started_is_reported_with_the_reason(bench: Bench) -> None:
    ended = await bench.run("no-such-program")

    assert ended == RunEnd(EndCause.SPAWN, error="can't start no-such-program: No such file or directory")


async def test_leftovers_of_a_session_end_with_the_session(bench: Bench, ledger: Ledger) -> None:
    ledger.path.touch()
    waits = f"while [ $(wc -l < {ledger.path}) -lt 2 ]; do sleep 0.01; done; exit 3"

    ended = await bench.run("/bin/sh", "-c", f"{' '.join(ledger.argv('deaf'))} & {waits}")

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 3)
    assert ended.receipt.killed >= 1
    assert ledger.alive() == []


async def test_an_order_without_grace_counts_the_session_s_processes_alone(
    bench: Bench, ledger: Ledger
) -> None:
    session = asyncio.create_task(bench.run(*ledger.argv("plain")))
    await eventually(lambda: ledger.signed == 2, "the tree is complete")

    bench.stop.request(StopOrder("emergency", graceful=False))
    ended = await session

    receipt = ended.receipt
    assert (receipt.processes_found, receipt.terminated, receipt.killed) == (2, 0, 2)
    assert ended.exit_code == -signal.SIGKILL
    assert ledger.alive() == []


async def test_a_session_inherits_no_descriptor_of_its_guard(bench: Bench) -> None:
    look = "import os; print([fd for fd in range(64) if os.path.exists(f'/proc/self/fd/{fd}')])"

    await bench.run(sys.executable, "-S", "-c", look)

    assert bench.output.out == b"[0, 1, 2]\n"


async def test_the_control_group_of_a_session_is_removed(bench: Bench, reached: Level) -> None:
    await bench.run("/bin/sh", "-c", "cat /proc/self/cgroup")

    is_inside = b"-session\n" in bench.output.out
    assert is_inside == (reached.containment.level == CGROUP2)
    assert not bench.cgroup or not os.path.exists(bench.cgroup)  # noqa: ASYNC240, PTH110  # cgroupfs, not a disk


@pytest.mark.parametrize("reached", [PIDNS], indirect=True)
async def test_a_session_in_a_pid_namespace_sees_itself_and_can_signal_nobody_else(bench: Bench) -> None:
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        ended = await bench.run(
            "/bin/sh", "-c", 'echo $$ /proc/[0-9]*; read -r pid _ < /proc/self/stat; kill -9 "$1"; kill -9 -1'
            "; exit 5", "sh", str(bystander.pid),
        )  # fmt: skip

        assert bench.output.out.splitlines()[0] == b"2 /proc/1 /proc/2"
        assert ended.exit_code == 5
        assert bystander.returncode is None
    finally:
        bystander.kill()
        await bystander.wait()


def test_without_root_a_pid_namespace_hides_who_owns_files_and_with_root_it_does_not() -> None:
    """The documented price of `--containment pidns`: ssh, for one, refuses configuration that is nobody's."""
    if os.getuid() != 0:
        pytest.skip("only root can be both")
    with level(PIDNS):
        assert [_seen_in_a_namespace(uid) for uid in (0, NOBODY)] == ["2 0 0", f"2 {NOBODY} {NOBODY}"]


def _seen_in_a_namespace(uid: int) -> str:
    """Returns what a session of the user sees: its own number, its user, and the owner of a file of root's."""
    argv = (sys.executable, "-I", "-c", PRINT_VIEW, str(uid), str(PACKAGES))
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


async def test_a_control_group_that_can_not_be_made_is_done_without_and_the_receipt_says_so(
    tmp_path: Path,
) -> None:
    bench = _bench(tmp_path, Containment(CGROUP2, str(tmp_path / "absent")))

    ended = await bench.run("true")

    assert (ended.exit_code, ended.receipt.containment) == (0, "subreaper")


async def test_a_session_that_outlasts_silence_needs_no_answer_of_the_server(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OpenFence())

    ended = await bench.run("/bin/sh", "-c", "sleep 0.1; exit 4")

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 4)


@pytest.fixture
def line() -> Iterator[tuple[int, socket.socket]]:
    """Yields the guard's end and the worker's end of a socket."""
    guard_end, worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    guard_end.setblocking(False)
    with guard_end, worker_end:
        yield guard_end.fileno(), worker_end


@pytest.mark.parametrize(
    ("slept_s", "cause", "grace_s"),
    [(0, "", 0), (99, "", 0), (102, "fence", 8), (8000, "fence", 0)],
)
def test_a_sleep_of_the_machine_counts_as_silence_and_uses_up_the_grace_period(
    monkeypatch: pytest.MonkeyPatch,
    line: tuple[int, socket.socket],
    slept_s: float,
    cause: str,
    grace_s: float,
) -> None:
    guard_fd, _ = line
    monkeypatch.setattr(controls, "boot_s", lambda: 1000.0)
    control = Control(guard_fd, grace_s=10, fence_s=1100.0)

    monkeypatch.setattr(controls, "boot_s", lambda: 1000.0 + slept_s)
    control.update()

    assert control.cause == cause
    assert control.grace_left_s() == pytest.approx(grace_s, abs=0.5)


def test_an_extension_that_came_before_the_look_at_the_clock_outweighs_the_sleep(
    monkeypatch: pytest.MonkeyPatch, line: tuple[int, socket.socket]
) -> None:
    guard_fd, worker_end = line
    monkeypatch.setattr(controls, "boot_s", lambda: 9000.0)
    control = Control(guard_fd, grace_s=10, fence_s=1100.0)

    worker_end.send(b"fence 9100.0")
    control.update()

    assert control.cause == ""
    assert control.fence_left_s == 100.0
