"""Eight ways to escape against six ways to be ended, for each containment level: nothing survives.

Judged by the process numbers that the processes wrote down themselves. One test runs all eight at once.
`pytest tests/kill` prints how long each way took.
"""

import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes_levels import LEVELS
from fakes_tree import ESCAPES
from fakes_worker import stop
from kill.prison import Prison

pytestmark = pytest.mark.slow
STOP_AFTER_S = 3.0
TIMEOUT_S = 6.0


async def killed(prison: Prison) -> None:
    """An operator's kill: with grace, over the heartbeat."""
    prison.fake.orders = [stop(style) for style in ESCAPES]
    await _outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)


async def emergency(prison: Prison) -> None:
    """An emergency stop: without grace, over the stream."""
    prison.fake.send(orders=[stop(style, wire.ORDER_ACTION_STOP_NOW) for style in ESCAPES])
    await _outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)


async def worker_killed(prison: Prison) -> None:
    """The guards hear it by the end of their pipes."""
    prison.worker.end()
    await prison.calm()


async def worker_frozen(prison: Prison) -> None:
    """The guards end what has had no extension for `stop_after`."""
    prison.worker.signal(signal.SIGSTOP)
    await prison.calm()


async def guard_killed(prison: Prison) -> None:
    """The orphans fall to the worker."""
    guards = prison.guards()
    assert len(guards) == len(ESCAPES)
    for guard in guards:
        os.kill(guard, signal.SIGKILL)
    await _outcomes(prison, task_pb2.OUTCOME_KIND_FAILED)
    classes = {outcome.failure_class for outcome in prison.fake.outcomes.values()}
    assert classes == {task_pb2.FAILURE_CLASS_CRASHED}


async def timeout(prison: Prison) -> None:
    """The worker's own clock."""
    await _outcomes(prison, task_pb2.OUTCOME_KIND_FAILED)
    classes = {outcome.failure_class for outcome in prison.fake.outcomes.values()}
    assert classes == {task_pb2.FAILURE_CLASS_TIMEOUT}


WAYS: tuple[Callable[[Prison], Awaitable[None]], ...] = (
    killed,
    emergency,
    worker_killed,
    worker_frozen,
    guard_killed,
    timeout,
)


@pytest.mark.parametrize("reached", LEVELS, indirect=True)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_nothing_survives(
    prison: Prison,
    way: Callable[[Prison], Awaitable[None]],
    record_property: Callable[[str, object], None],
) -> None:
    prison.fake.stop_after_s = STOP_AFTER_S if way is worker_frozen else 60.0
    prison.start("--builder-timeout", str(TIMEOUT_S) if way is timeout else "60")
    await prison.stand()

    began = time.monotonic()
    await way(prison)

    assert prison.survivors() == {}
    record_property("took", f"{time.monotonic() - began:.2f} s")
    await prison.calm()


@pytest.mark.parametrize(
    ("reached", "at_once", "escaped"),
    [("subreaper", False, {"cleared"}), ("cgroup2", False, set()), ("pidns", True, set())],
    indirect=["reached"],
)
async def test_what_is_left_when_guards_and_worker_are_killed_together_ends_when_the_worker_comes_back(
    prison: Prison, *, at_once: bool, escaped: set[str]
) -> None:
    """The documented limit: a daemon with an emptied environment is known by nothing but its guard.

    In a control group the kernel still knows it; a PID namespace dies with its guard, so nothing is left.
    """
    prison.start()
    await prison.stand()
    prison.worker.signal(signal.SIGSTOP)
    guards = prison.guards()
    for guard in guards:
        os.kill(guard, signal.SIGKILL)
    prison.worker.end()
    if at_once:
        await prison.calm()
    else:
        assert set(prison.survivors()) >= {"cleared", "daemon", "storm"}

    prison.start()
    await prison.worker.until(lambda: len(prison.fake.registered) == 2, what="the next one registers")

    assert set(prison.survivors()) == escaped


@pytest.mark.parametrize("reached", LEVELS, indirect=True)
async def test_a_session_that_kills_its_guard_ends_alone(prison: Prison) -> None:
    """The orphans of one guard are swept; the sessions of the others never notice."""
    prison.start()
    await prison.stand()
    others = {style: ledger.alive() for style, ledger in prison.ledgers.items() if style != "storm"}
    del others["daemon"]

    os.kill(prison.guard_of("daemon"), signal.SIGKILL)
    await prison.worker.until(lambda: prison.fake.outcomes, what="an outcome")

    assert list(prison.fake.outcomes) == ["daemon"]
    assert prison.ledgers["daemon"].alive() == []
    receipt = prison.fake.outcomes["daemon"].kill_receipt
    assert (receipt.containment, receipt.survivors) == (prison.level, 0)
    assert {style: prison.ledgers[style].alive() for style in others} == others


@pytest.mark.parametrize("reached", LEVELS[:1], indirect=True)
async def test_a_file_stops_everything_without_a_server(prison: Prison) -> None:
    prison.start("--kill-grace", "600")
    await prison.stand()
    await prison.address.down()

    prison.emergency_file.touch()

    await prison.calm()
    assert "emergency stop: nothing runs here until the file is gone" in prison.worker.err
    await prison.address.up()
    await _outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)
    assert len(prison.fake.registered) == 1, "it takes no claims"
    prison.emergency_file.unlink()
    await prison.worker.until(lambda: len(prison.fake.registered) == 2, what="it takes claims again")


async def _outcomes(prison: Prison, kind: task_pb2.OutcomeKind.ValueType) -> None:
    """Waits until all attempts have ended, and in that way."""
    fake = prison.fake
    await prison.worker.until(lambda: len(fake.outcomes) == len(ESCAPES), what="all attempts have ended")
    assert {outcome.kind for outcome in fake.outcomes.values()} == {kind}
    assert not any(outcome.kill_receipt.survivors for outcome in fake.outcomes.values())
