"""A process that a daemon of before started for a session ends with a session that is ended, if its marks show."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.waiting import eventually
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.marked import attempt_marks, find_marked
from swarm_worker.guard.procfs import PR_SET_CHILD_SUBREAPER, prctl
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

ENV = {"PATH": os.defpath, "SWARM_STATE": f"test-{os.getpid()}", "SWARM_TASK_ID": "t", "SWARM_ATTEMPT": "1"}


@pytest.fixture
def daemons_child() -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process as a batch system would: outside of the session's tree, with the session's environment.

    As a helper of the test process it is no orphan of a guard, so nothing but its marks can find it.
    """
    with subprocess.Popen(["sleep", "600"], env=ENV) as process:
        yield process
        process.kill()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process of the next attempt."""
    with subprocess.Popen(["sleep", "600"], env={**ENV, "SWARM_ATTEMPT": "2"}) as process:
        yield process
        process.kill()


@dataclass
class Bench:
    folder: Path
    stop: Stop = field(default_factory=lambda: Stop(grace_s=0.2))
    output: bytearray = field(default_factory=bytearray)
    stall_factor: float = 1.0

    def stdout(self, chunk: bytes) -> None:
        self.output += chunk

    stderr = stdout

    async def run(self, shell: str) -> RunEnd:
        fence = Fence()
        fence.set_stop_after(600, since=now_s())
        await fence.supervisor.kill_leftovers()
        launch = Launch(("/bin/sh", "-c", shell), self.folder, ENV, self.folder / "session.lock")
        return await run_guarded(launch, limits=RunLimits(60, 0, 0.2), fence=fence, stop=self.stop, sink=self)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
    prctl(PR_SET_CHILD_SUBREAPER, 0)


@pytest.mark.slow
async def test_a_kill_ends_it_and_counts_it(
    bench: Bench, daemons_child: subprocess.Popen[bytes], bystander: subprocess.Popen[bytes]
) -> None:
    session = asyncio.create_task(bench.run("echo up; exec sleep 600"))
    await eventually(lambda: bench.output, "the session runs")

    bench.stop.request(StopOrder("test", graceful=False))
    ended = await session

    assert (ended.receipt.killed, ended.receipt.survivors) == (2, 0)
    assert daemons_child.wait() == -signal.SIGKILL
    assert bystander.poll() is None


async def test_a_session_that_exits_by_itself_leaves_it(
    bench: Bench, daemons_child: subprocess.Popen[bytes]
) -> None:
    ended = await bench.run("exit 3")

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 3)
    assert daemons_child.poll() is None


@pytest.mark.slow
async def test_the_orphans_of_a_killed_guard_include_it(
    bench: Bench, daemons_child: subprocess.Popen[bytes]
) -> None:
    ended = await bench.run("kill -KILL $PPID; exec sleep 600")

    assert ended.cause is EndCause.LOST
    assert daemons_child.wait() == -signal.SIGKILL
    assert ended.receipt.survivors == 0


def test_an_environment_without_all_marks_finds_nobody() -> None:
    assert attempt_marks({"SWARM_STATE": "x", "SWARM_TASK_ID": "t"}) == frozenset()
    assert attempt_marks({**ENV, "SWARM_STATE": ""}) == frozenset()
    assert find_marked(frozenset()) == set()
