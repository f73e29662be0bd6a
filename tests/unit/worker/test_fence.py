"""The right to run: extended by answered heartbeats, counted from when they were sent."""

import math

from swarm_worker.supervision.fence import Fence, OpenFence, now_s


class FencedRun:
    def __init__(self) -> None:
        self.fences: list[float] = []

    def set_fence(self, until_s: float) -> None:
        self.fences.append(until_s)


def test_the_right_to_run_counts_from_when_a_heartbeat_was_sent() -> None:
    fence, run, now = Fence(), FencedRun(), now_s()
    fence.set_stop_after(100, since=now)
    fence.add(run)

    fence.extend(since=now - 20)
    fence.extend(since=now + 50)
    fence.remove(run)
    fence.extend(since=now + 90)

    assert run.fences == [now + 100, now + 150]
    assert 180 < fence.left_s <= 190


def test_there_is_no_right_to_run_before_the_server_has_given_one() -> None:
    assert Fence().left_s == 0


def test_a_stream_that_opens_again_is_no_heartbeat() -> None:
    fence, now = Fence(), now_s()
    fence.set_stop_after(100, since=now)

    fence.set_stop_after(60, since=now + 1000)

    assert 50 < fence.left_s <= 60


def test_an_open_fence_never_ends() -> None:
    fence, run = OpenFence(), FencedRun()
    fence.add(run)

    assert fence.left_s == math.inf
    assert run.fences == []
