"""The start throttle admits one start a core and never waits forever. A file's tail continues where it stopped."""

import asyncio
import os
from pathlib import Path

import pytest

from swarm_worker.domain.types import StopOrder
from swarm_worker.execution.start_throttle import StartThrottle
from swarm_worker.supervision.pipes import FileTail
from swarm_worker.supervision.stop_signal import Stop

LONG_S = 600.0


def _stop() -> Stop:
    return Stop(grace_s=0)


async def test_there_are_as_many_permits_as_cores_for_all_workers_together(tmp_path: Path) -> None:
    one, other = (StartThrottle(tmp_path / "starts", cores=2) for _ in range(2))  # two workers of one machine
    first, second = await one.acquire(LONG_S, _stop()), await other.acquire(LONG_S, _stop())
    third = asyncio.create_task(one.acquire(LONG_S, _stop()))

    done, _ = await asyncio.wait((third,), timeout=0.3)
    assert not done

    second.release()
    (await third).release()
    first.release()
    first.release()


async def test_a_permit_expires(tmp_path: Path) -> None:
    starts = StartThrottle(tmp_path, cores=1)

    await starts.acquire(0.05, _stop())

    (await starts.acquire(LONG_S, _stop())).release()


async def test_a_runner_without_boot_time_needs_no_permit(tmp_path: Path) -> None:
    starts = StartThrottle(tmp_path / "starts", cores=1)

    for _ in range(3):
        await starts.acquire(0, _stop())

    assert not (tmp_path / "starts").exists()


async def test_an_order_to_stop_ends_the_wait(tmp_path: Path) -> None:
    starts, stop = StartThrottle(tmp_path, cores=1), _stop()
    permit = await starts.acquire(LONG_S, _stop())
    waiting = asyncio.create_task(starts.acquire(LONG_S, stop))
    await asyncio.sleep(0)

    stop.request(StopOrder("test", graceful=True))

    (await waiting).release()
    permit.release()


async def test_the_throttle_has_no_effect_if_no_file_can_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    (await StartThrottle(tmp_path / "file" / "starts", cores=1).acquire(LONG_S, _stop())).release()


def test_a_tail_of_a_file_returns_only_new_bytes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before = FileTail(path)
    assert before.read() == b""

    path.write_bytes(b"old\n")
    after = FileTail(path)
    path.write_bytes(b"old\nnew\n")

    assert FileTail(path, from_start=True).read() == b"old\nnew\n"
    assert before.read() == b"old\nnew\n"
    assert after.read() == b"new\n"
    assert after.read() == b""


@pytest.mark.timeout(20)
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert FileTail(tmp_path / "pipe").read() == b""
    assert FileTail(tmp_path).read() == b""
