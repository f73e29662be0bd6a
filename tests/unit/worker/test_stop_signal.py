"""Orders come more than once, from more than one side, and only grow harder."""

import math

from swarm_worker.domain.types import StopOrder
from swarm_worker.supervision.fence import Fence, OpenFence, now_s
from swarm_worker.supervision.stop_signal import Stop

SOFT = StopOrder("kill", graceful=True)
HARD = StopOrder("emergency", graceful=False)


def test_a_repeated_order_changes_nothing() -> None:
    stop, kills = Stop(grace_s=5), list[float]()

    with stop.on_order(kills.append):
        stop.request(SOFT)
        stop.request(StopOrder("again", graceful=True))

    assert kills == [5]
    assert stop.order == SOFT
    assert stop.ordered.is_set()


def test_an_order_grows_harder_and_never_softer() -> None:
    stop, kills = Stop(grace_s=5), list[float]()

    with stop.on_order(kills.append):
        for order in (SOFT, HARD, SOFT, HARD):
            stop.request(order)

    assert kills == [5, 0]
    assert stop.order == HARD


def test_an_order_that_came_before_the_process_meets_it_at_once() -> None:
    stop, kills = Stop(grace_s=5), list[float]()
    stop.request(HARD)

    with stop.on_order(kills.append):
        pass
    stop.request(HARD)

    assert kills == [0]


class Guard:
    def __init__(self) -> None:
        self.told: list[float] = []

    def set_fence(self, until_s: float) -> None:
        self.told.append(until_s)


def test_the_right_to_run_counts_from_when_a_heartbeat_was_sent() -> None:
    fence, guard, now = Fence(), Guard(), now_s()
    fence.set_stop_after(100, since=now)
    fence.add(guard)

    fence.extend(since=now - 20)
    fence.extend(since=now + 50)
    fence.remove(guard)
    fence.extend(since=now + 90)

    assert guard.told == [now + 100, now + 150]
    assert 180 < fence.left_s <= 190


def test_there_is_no_right_to_run_before_the_server_has_given_one() -> None:
    assert Fence().left_s == 0


def test_a_stream_that_opens_again_is_no_heartbeat() -> None:
    fence, now = Fence(), now_s()
    fence.set_stop_after(100, since=now)

    fence.set_stop_after(60, since=now + 1000)

    assert 50 < fence.left_s <= 60


def test_the_sessions_of_a_task_to_be_kept_have_the_right_to_run_whatever_the_server_says() -> None:
    fence, guard = OpenFence(), Guard()
    fence.add(guard)

    assert fence.left_s == math.inf
    assert guard.told == []
