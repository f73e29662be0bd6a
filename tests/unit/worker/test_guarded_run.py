"""No process of a session outlives its end: real process trees, which write down their own numbers."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.process_tree import STYLES, Ledger
from support.sinks import SplitSink
from support.waiting import eventually
from swarm_worker.domain.types import StopOrder
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.fork_client import FORK_SERVER
from swarm_worker.supervision.guard_locks import GuardLock
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

LIMITS = RunLimits(timeout_s=60, stall_s=0, grace_s=0.2)
FENCE_S = 600.0


@dataclass
class Bench:
    folder: Path
    stop: Stop = field(default_factory=lambda: Stop(grace_s=0.2))
    fence: Fence = field(default_factory=Fence)
    output: SplitSink = field(default_factory=SplitSink)

    @property
    def lock(self) -> Path:
        return self.folder / "session.lock"

    async def run(
        self, *argv: str, limits: RunLimits = LIMITS, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> RunEnd:
        launch = Launch(argv, self.folder, {"PATH": os.defpath} if env is None else env, self.lock, stdin)
        return await run_guarded(launch, limits=limits, fence=self.fence, stop=self.stop, sink=self.output)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.fence.set_stop_after(FENCE_S, since=now_s())
    return bench


@pytest.mark.parametrize("style", STYLES)
async def test_a_kill_leaves_no_process_whatever_it_did_to_escape(
    bench: Bench, ledger: Ledger, style: str
) -> None:
    session = asyncio.create_task(bench.run(*ledger.argv(style)))
    await eventually(lambda: ledger.signed >= STYLES[style], f"{style}: the tree is complete")

    bench.stop.request(StopOrder("test", graceful=True))
    ended = await session

    assert ledger.alive() == []
    assert ended.cause is EndCause.ORDER
    assert ended.receipt.survivors == 0
    assert ended.receipt.processes_found >= 1
    assert ended.receipt.containment == "subreaper"


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
async def test_the_death_of_the_worker_ends_the_whole_tree(
    tmp_path: Path, ledger: Ledger, style: str
) -> None:
    worker = _worker(tmp_path, ledger.argv(style), fence_s=FENCE_S)
    try:
        await eventually(lambda: ledger.signed >= STYLES[style], f"{style}: the tree is complete")
    finally:
        worker.kill()
        worker.wait()

    await eventually(lambda: not ledger.alive(), f"{style}: the tree is gone")
    assert ledger.signed >= STYLES[style]


async def test_an_order_without_grace_sends_no_sigterm(bench: Bench, ledger: Ledger) -> None:
    session = asyncio.create_task(bench.run(*ledger.argv("plain")))
    await eventually(lambda: ledger.signed == 2, "the tree is complete")

    bench.stop.request(StopOrder("emergency", graceful=False))
    ended = await session

    assert (ended.receipt.terminated, ended.receipt.killed) == (0, 2)
    assert ended.exit_code == -signal.SIGKILL
    assert ledger.alive() == []


async def test_a_harder_order_cuts_the_grace_period_short(bench: Bench, ledger: Ledger) -> None:
    bench.stop = Stop(grace_s=600)
    session = asyncio.create_task(bench.run(*ledger.argv("deaf")))
    await eventually(lambda: ledger.signed == 2, "the tree is complete")

    bench.stop.request(StopOrder("kill", graceful=True))
    await eventually(lambda: len(ledger.alive()) == 1, "only the process that ignores SIGTERM is left")
    bench.stop.request(StopOrder("emergency", graceful=False))
    await session

    assert ledger.alive() == []


async def test_what_a_session_leaves_behind_ends_with_it(bench: Bench, ledger: Ledger) -> None:
    leave = f"{' '.join(ledger.argv('deaf'))} & while [ $(wc -l < {ledger.path}) -lt 2 ]; do sleep 0.01; done; exit 3"
    ledger.path.touch()

    ended = await bench.run("/bin/sh", "-c", leave)

    assert ended.cause is EndCause.EXIT
    assert ended.exit_code == 3
    assert ended.receipt.killed >= 1
    assert ledger.alive() == []


async def test_signals_to_the_guard_or_to_its_group_do_not_end_it(bench: Bench) -> None:
    session = "kill -TERM $PPID; kill -INT $PPID; kill -HUP $PPID; trap '' TERM; kill -TERM 0; echo alive"

    ended = await bench.run("/bin/sh", "-c", session)

    assert ended.exit_code == 0
    assert bench.output.out == b"alive\n"


async def test_a_session_starts_with_the_usual_signals(bench: Bench) -> None:
    ended = await bench.run("/bin/sh", "-c", "kill -TERM $$")
    assert ended.exit_code == -signal.SIGTERM

    await bench.run("/bin/sh", "-c", "grep -E '^Sig(Ign|Blk)' /proc/self/status")
    # Signals 32 and 33 belong to the C library: nobody can set them, and a parent may leave any state.
    masks = [int(word, 16) & ~(0b11 << 31) for word in bench.output.out.decode().split()[1::2]]
    assert masks == [0, 0]


async def test_a_session_gets_exactly_the_given_environment_and_no_other_descriptor(bench: Bench) -> None:
    env = {"PATH": os.defpath, "ODD": "a=b\nc ü"}

    await bench.run(sys.executable, "-S", "-c", _REVEAL, env=env)

    seen, fds = eval(bench.output.out)  # the program prints two literals
    assert seen == {name.encode(): value.encode() for name, value in env.items()}
    assert fds == [0, 1, 2]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
async def test_a_session_has_its_own_umask_and_not_that_of_the_worker(
    bench: Bench, tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(0o077)
    try:
        argv, env = ("/bin/sh", "-c", "umask; echo x > made"), {"PATH": os.defpath}
        launch = Launch(argv, tmp_path, env, bench.lock, umask=umask)
        await run_guarded(launch, limits=LIMITS, fence=bench.fence, stop=bench.stop, sink=bench.output)
    finally:
        os.umask(before)

    assert int(bench.output.out, 8) == umask
    assert (tmp_path / "made").stat().st_mode & 0o777 == mode


async def test_the_prompt_comes_over_stdin_and_stdin_then_ends(bench: Bench) -> None:
    prompt = b"0123456789abcdef" * 20_000  # beyond what a pipe holds

    ended = await bench.run("/bin/sh", "-c", "wc -c", stdin=prompt)

    assert ended.exit_code == 0
    assert int(bench.output.out) == len(prompt)


async def test_a_session_may_leave_its_stdin_unread(bench: Bench) -> None:
    ended = await bench.run("/bin/sh", "-c", "exit 0", stdin=b"x" * 1_000_000)

    assert ended == RunEnd(EndCause.EXIT, 0, receipt=ended.receipt)


async def test_d12_a_session_that_prints_two_hundred_thousand_lines_does_not_block(bench: Bench) -> None:
    ended = await bench.run("/bin/sh", "-c", "seq 200000; seq 200000 >&2")

    assert ended.exit_code == 0
    assert bench.output.out.endswith(b"\n200000\n")
    assert bench.output.err.count(b"\n") == 200_000


async def test_a_program_that_can_not_be_started_says_why(bench: Bench) -> None:
    absent = await bench.run("no-such-program")
    assert absent == RunEnd(EndCause.SPAWN, error="can't start no-such-program: No such file or directory")

    odd = await bench.run('/no "such"\n\\pro\tgräm 🦉')
    assert odd == RunEnd(
        EndCause.SPAWN, error='can\'t start /no "such"\n\\pro\tgräm 🦉: No such file or directory'
    )

    too_long = await bench.run("/bin/echo", "x" * 200_000)
    assert too_long == RunEnd(EndCause.SPAWN, error="can't start /bin/echo: Argument list too long")


async def test_a_folder_that_can_not_be_entered_is_named(bench: Bench, tmp_path: Path) -> None:
    bench.folder = tmp_path / "absent"
    launch = Launch(("true",), bench.folder, {"PATH": os.defpath}, tmp_path / "lock")

    ended = await run_guarded(launch, limits=LIMITS, fence=bench.fence, stop=bench.stop, sink=bench.output)

    assert ended == RunEnd(EndCause.SPAWN, error=f"can't enter {bench.folder}: No such file or directory")


async def test_a_session_that_runs_too_long_is_ended(bench: Bench) -> None:
    ended = await bench.run("sleep", "600", limits=RunLimits(timeout_s=0.2, stall_s=0, grace_s=5))

    assert ended.cause is EndCause.TIMEOUT
    assert ended.exit_code == -signal.SIGTERM
    assert ended.receipt.terminated == 1


@pytest.mark.slow
async def test_a_silent_session_is_ended_and_one_with_output_is_not(bench: Bench) -> None:
    noisy = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done; exec sleep 600"

    ended = await bench.run("/bin/sh", "-c", noisy, limits=RunLimits(timeout_s=60, stall_s=0.5, grace_s=5))

    assert ended.cause is EndCause.STALL
    assert bench.output.out.endswith(b"8\n")


async def test_an_order_that_came_first_lets_nothing_start(bench: Bench, ledger: Ledger) -> None:
    bench.stop.request(StopOrder("killed meanwhile", graceful=True))

    ended = await bench.run(*ledger.argv("plain"))

    assert ended.cause is EndCause.ORDER
    assert ended.receipt.containment == "none"
    assert ledger.signed == 0


@pytest.mark.slow
async def test_a_guard_ends_its_session_by_itself_when_the_fence_is_not_extended(
    bench: Bench, ledger: Ledger
) -> None:
    bench.fence = Fence()
    bench.fence.set_stop_after(0.5, since=now_s())

    ended = await bench.run(*ledger.argv("deaf"))

    assert ended.cause is EndCause.FENCE
    assert ledger.alive() == []


@pytest.mark.slow
async def test_a_frozen_worker_s_sessions_are_fenced_all_the_same(tmp_path: Path, ledger: Ledger) -> None:
    worker = _worker(tmp_path, ledger.argv("every"), fence_s=1.5)
    try:
        await eventually(lambda: ledger.signed >= STYLES["every"], "the tree is complete")
        worker.send_signal(signal.SIGSTOP)

        await eventually(lambda: not ledger.alive(), "the tree is gone")
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.slow
async def test_heartbeats_let_a_session_go_on_beyond_the_first_fence(bench: Bench, tmp_path: Path) -> None:
    over, fence_s, began_s = tmp_path / "over", 2.0, now_s()
    bench.fence = Fence()
    bench.fence.set_stop_after(fence_s, since=began_s)
    session = asyncio.create_task(bench.run("/bin/sh", "-c", f"until [ -e {over} ]; do sleep 0.05; done"))

    while not session.done():
        bench.fence.extend(since=now_s())
        if now_s() > began_s + 1.5 * fence_s:
            over.touch()
        await asyncio.sleep(0.05)

    assert (await session).cause is EndCause.EXIT


async def test_no_session_starts_without_the_right_to_run(bench: Bench, ledger: Ledger) -> None:
    bench.fence = Fence()
    bench.fence.set_stop_after(5, since=now_s() - 6)

    ended = await bench.run(*ledger.argv("plain"))

    assert ended.cause is EndCause.FENCE
    assert ledger.signed == 0


async def test_the_guard_holds_its_lock_for_as_long_as_it_lives_and_the_session_never(
    bench: Bench, ledger: Ledger
) -> None:
    session = asyncio.create_task(bench.run(*ledger.argv("deaf")))
    await eventually(lambda: ledger.signed == 2, "the tree is complete")

    with pytest.raises(BlockingIOError), GuardLock(bench.lock) as lock:
        lock.acquire()
    holders = _holders(bench.lock)
    bench.stop.request(StopOrder("test", graceful=False))
    await session

    assert len(holders) == 1
    assert not bench.lock.exists()


async def test_a_guard_killed_from_outside_is_no_success(bench: Bench) -> None:
    ended = await bench.run("/bin/sh", "-c", "kill -KILL $PPID; exec sleep 600")

    assert ended.cause is EndCause.LOST
    assert ended.exit_code is None


async def test_a_guard_that_breaks_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads what a guard prints, so without its report it would look like a killed guard."""
    breaks = (
        "from swarm_worker.guard.session_guard import SessionGuard;"
        " SessionGuard._start = lambda self: 1 / 0; fork_server.main()"
    )
    monkeypatch.setattr(
        "swarm_worker.supervision.fork_client.FORK_SERVER", FORK_SERVER.replace("fork_server.main()", breaks)
    )

    ended = await bench.run("true")

    assert (ended.cause, ended.error) == (
        EndCause.LOST,
        "its guard broke: ZeroDivisionError: division by zero",
    )


def _worker(folder: Path, argv: list[str], *, fence_s: float) -> subprocess.Popen[bytes]:
    """Starts a process that runs one guarded session, for the test to freeze or kill."""
    return subprocess.Popen([sys.executable, "-c", _WORKER, str(folder), str(fence_s), *argv])


def _holders(lock: Path) -> list[Path]:
    return [process for process in Path("/proc").glob("[0-9]*") if _has_open(process, lock)]


def _has_open(process: Path, path: Path) -> bool:
    try:
        return any(fd.readlink() == path for fd in (process / "fd").iterdir())
    except OSError:
        return False


_REVEAL = """
import os
with open("/proc/self/environ", "rb") as file:
    env = dict(pair.split(b"=", 1) for pair in file.read().split(b"\\0") if pair)
fds = [fd for fd in range(64) if os.path.exists(f"/proc/self/fd/{fd}")]
print((env, fds))
"""
_WORKER = """
import asyncio, os, sys
from pathlib import Path
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import Launch, RunLimits
from swarm_worker.supervision.stop_signal import Stop

class NoOutput:
    def stdout(self, chunk): pass
    stderr = stdout

async def main(folder, fence_s, *argv):
    fence = Fence()
    fence.set_stop_after(float(fence_s), since=now_s())
    launch = Launch(argv, Path(folder), {"PATH": os.defpath}, Path(folder) / "lock")
    await run_guarded(launch, limits=RunLimits(60, 0, 0.2), fence=fence, stop=Stop(grace_s=0.2), sink=NoOutput())

asyncio.run(main(*sys.argv[1:]))
"""
