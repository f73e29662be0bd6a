"""Stop orders come repeatedly and from several sides, and only become harder."""

import math

import pytest

from swarm_worker.domain.types import StopOrder
from swarm_worker.supervision.limits_watch import LimitsWatch
from swarm_worker.supervision.model import RunLimits, RunSigns
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


def test_the_signs_are_those_of_the_program_that_an_order_would_end() -> None:
    stop, signs = Stop(grace_s=5), RunSigns(1.0, 2.0, None)

    with stop.on_order(lambda _: None, lambda: signs):
        running = stop.signs
    after = stop.signs

    assert (running, after) == (signs, None)


class Sink:
    """A sink whose program reports its progress, or prints nothing before its end."""

    def __init__(self, stall_factor: float) -> None:
        self.stall_factor = stall_factor

    def stdout(self, chunk: bytes) -> None: ...

    stderr = stdout


async def test_repeated_output_is_no_new_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    watch = LimitsWatch(RunLimits(3_600.0, 900.0, 5.0), Sink(1.0), lambda *_: None)
    watch.start()

    now_s = 130.0
    watch.note_output()
    now_s = 190.0
    watch.note_output(is_new=False)

    assert watch.signs() == RunSigns(quiet_s=60.0, times_out_in_s=3_510.0, stalls_in_s=840.0)
    watch.cancel()


def test_a_program_that_prints_at_its_end_has_no_sign_and_no_limit_of_silence() -> None:
    signs = LimitsWatch(RunLimits(3_600.0, 900.0, 5.0), Sink(math.inf), lambda *_: None).signs()

    assert signs.quiet_s is None
    assert signs.stalls_in_s is None
