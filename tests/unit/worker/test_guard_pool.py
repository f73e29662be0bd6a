"""Guards and their fork server can be killed or frozen without harm to other sessions.

A guard that is done with a session takes the next one, with nothing of the last.
"""

import asyncio
import os
import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from support.waiting import eventually, until
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.guard_tree import is_stopped
from swarm_worker.guard.procfs import children, stat
from swarm_worker.guard.protocol import PING
from swarm_worker.supervision import fork_client, guard_pool
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guard_client import GuardClient
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

LIMITS = RunLimits(timeout_s=60, stall_s=0, grace_s=0.2)
KILL_FORK_SERVER = 'kill -KILL "$(cut -d " " -f 4 "/proc/$PPID/stat")"'


@dataclass
class Bench:
    """A runner of sessions with one fork server."""

    folder: Path
    fence: Fence = field(default_factory=Fence)
    output: bytearray = field(default_factory=bytearray)
    stall_factor: float = 1.0

    def stdout(self, chunk: bytes) -> None:
        self.output += chunk

    def stderr(self, chunk: bytes) -> None:
        pass

    async def run(self, shell: str, *, name: str = "session", stop: Stop | None = None) -> RunEnd:
        launch = Launch(
            ("/bin/sh", "-c", shell), self.folder, {"PATH": os.defpath}, self.folder / f"{name}.lock", b""
        )
        stop = stop or Stop(grace_s=0.2)
        return await run_guarded(launch, limits=LIMITS, fence=self.fence, stop=stop, sink=self)

    async def guard_of(self, shell: str) -> int:
        """Runs a session and returns the number of its guard."""
        self.output.clear()
        await self.run(f"{shell}; echo $PPID")
        return int(self.output)

    def close_idle(self) -> None:
        """Closes idle guards, so that the next session needs a new one."""
        guard_pool = self.fence.supervisor.guards
        for guard in guard_pool._idle:
            guard.close()
        guard_pool._idle.clear()

    @property
    def fork_server(self) -> int:
        found = self.fence.supervisor.guards._fork_server
        assert found is not None
        return found.pid


def _open(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.fence.set_stop_after(600, since=now_s())
    return bench


async def test_one_fork_server_serves_all_sessions_and_keeps_no_descriptor_of_them(bench: Bench) -> None:
    await bench.run("exit 0")
    first, held = bench.fork_server, _open(bench.fork_server)
    bench.close_idle()

    await bench.run("exit 0")
    bench.close_idle()

    assert bench.fork_server == first
    assert _open(first) == held
    await eventually(lambda: children(first) == [], "the guards are reaped")


async def test_a_session_that_kills_the_fork_server_goes_on_and_so_do_later_ones(bench: Bench) -> None:
    ended = await bench.run(f"{KILL_FORK_SERVER}; echo alive; exit 3")
    bench.close_idle()
    after = await bench.run("exit 4")

    assert (ended.cause, ended.exit_code, bytes(bench.output)) == (EndCause.EXIT, 3, b"alive\n")
    assert (after.cause, after.exit_code) == (EndCause.EXIT, 4)


async def test_a_request_that_a_killed_fork_server_never_read_goes_to_the_next(bench: Bench) -> None:
    await bench.run("exit 0")
    bench.close_idle()
    killed = bench.fork_server
    os.kill(killed, signal.SIGSTOP)

    starts = asyncio.create_task(bench.run("exit 4"))
    await eventually(bench.fence.supervisor.guards._fork_lock.locked, "the request is pending")
    os.kill(killed, signal.SIGKILL)

    assert (await starts).exit_code == 4
    assert bench.fork_server != killed


async def test_a_frozen_fork_server_is_replaced_after_whatever_it_may_have_started_is_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.run("exit 0")
    bench.close_idle()
    frozen = bench.fork_server
    os.kill(frozen, signal.SIGSTOP)
    monkeypatch.setattr(fork_client, "REPLY_S", 0.1)

    refused = await bench.run("echo started")
    monkeypatch.undo()
    after = await bench.run("exit 4")

    assert refused.cause is EndCause.SPAWN
    assert not bench.output
    assert stat(frozen) is None
    assert after.exit_code == 4


async def test_a_fork_server_that_was_stopped_is_continued(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_client, "LOOK_S", 0.05)
    await bench.run("exit 0")
    bench.close_idle()
    stopped = bench.fork_server
    os.kill(stopped, signal.SIGSTOP)

    ended = await bench.run("exit 4")

    assert ended.exit_code == 4
    assert bench.fork_server == stopped


async def test_the_fork_server_ends_when_the_pool_drops_it(bench: Bench) -> None:
    await bench.run("exit 0")
    fork_server = bench.fork_server

    bench.fence.supervisor.guards._drop_fork_server()

    assert stat(fork_server) is None


async def test_starts_that_come_together_get_a_guard_each(bench: Bench) -> None:
    ended = await asyncio.gather(*(bench.run(f"exit {n}", name=f"s{n}") for n in range(8)))

    assert [each.exit_code for each in ended] == list(range(8))


async def test_a_guard_takes_one_session_after_the_other_with_nothing_of_the_last(bench: Bench) -> None:
    first = await bench.guard_of("true")
    held = _open(first)

    for _ in range(3):
        assert await bench.guard_of("true & sleep 600 & true") == first

    assert _open(first) == held
    assert children(first) == []


async def test_an_order_for_one_session_does_not_reach_the_next(bench: Bench) -> None:
    stop = Stop(grace_s=0.2)
    session = asyncio.create_task(bench.run("echo $PPID; exec sleep 600", stop=stop))
    await eventually(lambda: bench.output, "the session runs")
    guard = int(bench.output)

    for graceful in (True, False, False):
        stop.request(StopOrder("test", graceful=graceful))
    ended = await session

    assert ended.cause is EndCause.ORDER
    assert await bench.guard_of("sleep 0.1") == guard


async def test_an_idle_guard_ends_after_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_pool, "IDLE_S", 0.05)

    guard = await bench.guard_of("true")

    await eventually(lambda: stat(guard) is None, "the guard has ended")
    assert guard not in bench.fence.supervisor.guards


async def test_a_guard_that_was_killed_between_two_sessions_gets_no_session(bench: Bench) -> None:
    killed = await bench.guard_of("true")

    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: killed not in bench.fence.supervisor.guards, "the pool notices")

    assert await bench.guard_of("true") != killed


async def test_a_kill_reaches_a_guard_that_was_frozen_until_its_socket_was_full(bench: Bench) -> None:
    stop = Stop(grace_s=0.2)
    session = asyncio.create_task(bench.run("echo $PPID; exec sleep 600", stop=stop))
    await eventually(lambda: bench.output, "the session runs")
    guard, [run] = int(bench.output), bench.fence.supervisor.guards.watch._runs
    # Nothing here gives the event loop its turn, so the worker can't continue what is stopped.
    for pid in (bench.fork_server, guard):  # a running fork server continues the guard at once
        os.kill(pid, signal.SIGSTOP)
        until(partial(is_stopped, pid), "the process is stopped")
    for _ in range(2_000):
        bench.fence.extend(since=now_s())
    assert not cast("GuardClient", run.guard).send(PING), "the socket is full"

    stop.request(StopOrder("test", graceful=False))
    os.kill(bench.fork_server, signal.SIGCONT)
    ended = await session

    assert (ended.cause, ended.receipt.survivors) == (EndCause.ORDER, 0)
    assert await bench.guard_of("true") != guard
