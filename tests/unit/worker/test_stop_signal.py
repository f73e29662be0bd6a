"""Stop orders come repeatedly and from several sides, and only become harder."""

from swarm_worker.domain.types import StopOrder
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
