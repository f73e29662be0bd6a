"""The watch over guards: stopped ones are continued, silent ones are killed, and running ones are left alone."""

from dataclasses import dataclass

import pytest

from swarm_worker.supervision import guard_watch
from swarm_worker.supervision.guard_watch import MAX_STOPS, SILENCE_S, WatchedRun

START_S = 1_000.0


@dataclass
class FakeGuard:
    """A guard that stays stopped after each `resume` for as long as `stubborn` is set."""

    pid: int = 1
    stopped: bool = False
    stubborn: bool = False
    pings: int = 0
    kills: int = 0

    def is_stopped(self) -> bool:
        return self.stopped

    def resume(self) -> None:
        self.stopped = self.stubborn

    def ping(self) -> None:
        self.pings += 1

    def kill(self) -> None:
        self.kills += 1


@pytest.fixture
def guard() -> FakeGuard:
    return FakeGuard()


@pytest.fixture
def run(guard: FakeGuard, monkeypatch: pytest.MonkeyPatch) -> WatchedRun:
    monkeypatch.setattr(guard_watch, "boot_s", lambda: 0.0)
    return WatchedRun(guard, "session", grace_s=5.0, fence_s=100.0)


def _check_each_second(run: WatchedRun, *, seconds: int, since_s: float = START_S) -> None:
    for second in range(seconds):
        run.check(since_s + second)


def test_a_running_guard_gets_no_message(run: WatchedRun, guard: FakeGuard) -> None:
    _check_each_second(run, seconds=60)

    assert (guard.pings, guard.kills) == (0, 0)


def test_a_guard_that_was_stopped_is_continued(run: WatchedRun, guard: FakeGuard) -> None:
    guard.stopped = True

    _check_each_second(run, seconds=60)

    assert not guard.stopped
    assert guard.kills == 0


def test_a_guard_that_is_stopped_again_and_again_is_killed_once(run: WatchedRun, guard: FakeGuard) -> None:
    guard.stopped = guard.stubborn = True

    _check_each_second(run, seconds=60)

    assert guard.kills == 1
    assert run.killed_for == f"its guard was stopped {MAX_STOPS + 1} times"


def test_a_guard_that_answers_may_use_its_grace_period_and_the_time_for_what_can_not_be_killed(
    run: WatchedRun, guard: FakeGuard
) -> None:
    run.expect_end(START_S, grace_s=5)

    for second in range(60):
        run.check(START_S + second)
        run.heard_s = START_S + second

    assert guard.kills == 0
    assert guard.pings > 50


def test_a_guard_that_was_stopped_and_does_not_answer_is_killed_before_its_grace_period_ends(
    run: WatchedRun, guard: FakeGuard
) -> None:
    guard.stopped = True
    run.expect_end(START_S, grace_s=600)

    run.check(START_S + SILENCE_S)
    assert guard.kills == 0
    run.check(START_S + SILENCE_S + 0.1)

    assert guard.kills == 1


def test_a_silent_guard_that_nobody_was_seen_to_stop_has_its_grace_period(
    run: WatchedRun, guard: FakeGuard
) -> None:
    run.expect_end(START_S, grace_s=5)

    run.check(START_S + 5 + SILENCE_S)
    assert guard.kills == 0
    run.check(START_S + 5 + SILENCE_S + 0.1)

    assert guard.kills == 1


def test_a_harder_order_shortens_the_wait_for_a_silent_guard(run: WatchedRun, guard: FakeGuard) -> None:
    run.expect_end(START_S, grace_s=600)
    run.expect_end(START_S + 1, grace_s=0)
    run.expect_end(START_S + 1, grace_s=600)

    run.check(START_S + 1 + SILENCE_S + 0.1)

    assert guard.kills == 1


def test_a_fence_that_passed_makes_the_end_due(
    run: WatchedRun, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_watch, "boot_s", lambda: 102.0)

    run.check(START_S)
    run.check(START_S + 3 + SILENCE_S)
    assert (guard.pings, guard.kills) == (2, 0)
    run.check(START_S + 3 + SILENCE_S + 0.1)

    assert guard.kills == 1
