"""Starts take turns, one a core, and nothing waits for ever. What a session writes in a file is read on."""

import asyncio
from pathlib import Path

from swarm_worker.domain.types import StopOrder
from swarm_worker.execution.start_throttle import StartThrottle
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.streams import FileTail

LONG_S = 600.0


def _stop() -> Stop:
    return Stop(grace_s=0)


async def test_as_many_start_at_once_as_there_are_cores(tmp_path: Path) -> None:
    one, other = (StartThrottle(tmp_path / "starts", cores=2) for _ in range(2))  # two workers of one machine
    first, second = await one.take(LONG_S, _stop()), await other.take(LONG_S, _stop())
    third = asyncio.create_task(one.take(LONG_S, _stop()))

    done, _ = await asyncio.wait((third,), timeout=0.3)
    assert not done

    second.over()
    (await third).over()
    first.over()
    first.over()


async def test_a_turn_ends_by_itself(tmp_path: Path) -> None:
    starts = StartThrottle(tmp_path, cores=1)

    await starts.take(0.05, _stop())

    (await starts.take(LONG_S, _stop())).over()


async def test_what_boots_at_once_takes_no_turn(tmp_path: Path) -> None:
    starts = StartThrottle(tmp_path / "starts", cores=1)

    for _ in range(3):
        await starts.take(0, _stop())

    assert not (tmp_path / "starts").exists()


async def test_an_order_to_end_is_heard_while_waiting(tmp_path: Path) -> None:
    starts, stop = StartThrottle(tmp_path, cores=1), _stop()
    turn = await starts.take(LONG_S, _stop())
    waiting = asyncio.create_task(starts.take(LONG_S, stop))
    await asyncio.sleep(0)

    stop.request(StopOrder("test", graceful=True))

    (await waiting).over()
    turn.over()


async def test_where_no_file_can_be_locked_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    (await StartThrottle(tmp_path / "file" / "starts", cores=1).take(LONG_S, _stop())).over()


def test_a_file_is_read_on_from_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before = FileTail(path)
    assert before.read() == b""

    path.write_bytes(b"old\n")
    after = FileTail(path)
    path.write_bytes(b"old\nnew\n")

    assert before.read() == b"old\nnew\n"
    assert after.read() == b"new\n"
    assert after.read() == b""
