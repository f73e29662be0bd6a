"""Guards, and what bears them, can be ended or frozen like any other process; no session is harmed, none is lost.

And a guard that is done with a session takes the next one, with nothing of the last.
"""

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.waiting import eventually
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.procfs import children, stat
from swarm_worker.supervision import guard_pool
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.launch import Cause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

LIMITS = RunLimits(timeout_s=60, stall_s=0, grace_s=0.2)
KILL_THE_NURSERY = 'kill -KILL "$(cut -d " " -f 4 "/proc/$PPID/stat")"'


@dataclass
class Bench:
    """Runs sessions one after the other, all from one nursery."""

    folder: Path
    fence: Fence = field(default_factory=Fence)
    heard: bytearray = field(default_factory=bytearray)
    stall_factor: float = 1.0

    def stdout(self, chunk: bytes) -> None:
        self.heard += chunk

    def stderr(self, chunk: bytes) -> None:
        pass

    def feed(self, chunk: bytes) -> None:
        pass

    async def run(self, shell: str, *, name: str = "session", stop: Stop | None = None) -> RunEnd:
        launch = Launch(
            ("/bin/sh", "-c", shell), self.folder, {"PATH": os.defpath}, self.folder / f"{name}.lock", b""
        )
        stop = stop or Stop(grace_s=0.2)
        return await run_guarded(launch, limits=LIMITS, fence=self.fence, stop=stop, sink=self)

    async def guard_of(self, shell: str) -> int:
        """The number of the guard of a session that does nothing else."""
        self.heard.clear()
        await self.run(f"{shell}; echo $PPID")
        return int(self.heard)

    def dismiss(self) -> None:
        """Lets go of the guards that have nothing to do, so that the next session needs a new one."""
        guard_pool = self.fence.hold.guards
        for guard in guard_pool._idle:
            guard.hang_up()
        guard_pool._idle.clear()

    @property
    def nursery(self) -> int:
        found = self.fence.hold.guards._nursery
        assert found is not None
        return found.pid


def _open(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.fence.begin(stop_after_s=600, since=now_s())
    return bench


async def test_sessions_come_from_one_nursery_which_holds_nothing_of_theirs(bench: Bench) -> None:
    await bench.run("exit 0")
    first, held = bench.nursery, _open(bench.nursery)
    bench.dismiss()

    await bench.run("exit 0")
    bench.dismiss()

    assert bench.nursery == first
    assert _open(first) == held
    await eventually(lambda: children(first) == [], "the guards are buried")


async def test_a_session_that_kills_the_nursery_goes_on_and_so_do_later_ones(bench: Bench) -> None:
    ended = await bench.run(f"{KILL_THE_NURSERY}; echo alive; exit 3")
    bench.dismiss()
    after = await bench.run("exit 4")

    assert (ended.cause, ended.exit_code, bytes(bench.heard)) == (Cause.EXIT, 3, b"alive\n")
    assert (after.cause, after.exit_code) == (Cause.EXIT, 4)


async def test_a_start_that_a_killed_nursery_never_read_comes_from_the_next(bench: Bench) -> None:
    await bench.run("exit 0")
    bench.dismiss()
    killed = bench.nursery
    os.kill(killed, signal.SIGSTOP)

    starts = asyncio.create_task(bench.run("exit 4"))
    await eventually(bench.fence.hold.guards._turn.locked, "it is asked")
    os.kill(killed, signal.SIGKILL)

    assert (await starts).exit_code == 4
    assert bench.nursery != killed


async def test_a_frozen_nursery_is_replaced_and_what_it_may_have_begun_is_gone_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.run("exit 0")
    bench.dismiss()
    frozen = bench.nursery
    os.kill(frozen, signal.SIGSTOP)
    monkeypatch.setattr(guard_pool, "ANSWER_S", 0.1)

    refused = await bench.run("echo started")
    monkeypatch.undo()
    after = await bench.run("exit 4")

    assert refused.cause is Cause.SPAWN
    assert not bench.heard
    assert stat(frozen) is None
    assert after.exit_code == 4


async def test_the_nursery_ends_with_its_worker_s_last_word_to_it(bench: Bench) -> None:
    await bench.run("exit 0")
    nursery = bench.nursery

    bench.fence.hold.guards._drop()

    assert stat(nursery) is None


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


async def test_an_order_for_one_session_says_nothing_of_the_next(bench: Bench) -> None:
    stop = Stop(grace_s=0.2)
    session = asyncio.create_task(bench.run("echo $PPID; exec sleep 600", stop=stop))
    await eventually(lambda: bench.heard, "it runs")
    guard = int(bench.heard)

    for graceful in (True, False, False):
        stop.give(StopOrder("test", graceful=graceful))
    ended = await session

    assert ended.cause is Cause.ORDER
    assert await bench.guard_of("sleep 0.1") == guard


async def test_a_guard_that_has_nothing_to_do_ends_after_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_pool, "IDLE_S", 0.05)

    guard = await bench.guard_of("true")

    await eventually(lambda: stat(guard) is None, "it has ended")
    assert guard not in bench.fence.hold.guards


async def test_a_guard_that_was_ended_between_two_sessions_is_not_asked(bench: Bench) -> None:
    killed = await bench.guard_of("true")

    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: killed not in bench.fence.hold.guards, "that is noticed")

    assert await bench.guard_of("true") != killed


async def test_a_kill_reaches_a_guard_that_was_frozen_for_so_long_that_its_line_is_full(bench: Bench) -> None:
    stop = Stop(grace_s=0.2)
    session = asyncio.create_task(bench.run("echo $PPID; exec sleep 600", stop=stop))
    await eventually(lambda: bench.heard, "it runs")
    guard = int(bench.heard)
    os.kill(guard, signal.SIGSTOP)
    for _ in range(2_000):
        bench.fence.extend(since=now_s())

    stop.give(StopOrder("test", graceful=False))
    os.kill(guard, signal.SIGCONT)
    ended = await session

    assert (ended.cause, ended.receipt.survivors) == (Cause.ORDER, 0)
    assert await bench.guard_of("true") != guard
