"""Ten ways to escape against nine ways to be ended, for each containment level: nothing survives.

The processes write down their own numbers, and the tests look for those. Each test runs all styles at once.
`pytest tests/kill` prints how long each way took.
"""

import os
import signal
from collections.abc import Callable

import pytest

from amplifier_swarm.v1 import task_pb2
from fakes.containment_levels import LEVELS
from kill.prison import Prison
from kill.ways import WAYS, Way, end_all_by, outcomes, stop_guards
from support.waiting import eventually
from swarm_worker.guard.procfs import stat

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("reached", LEVELS, indirect=True)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_nothing_survives(
    prison: Prison, way: Way, record_property: Callable[[str, object], None]
) -> None:
    ending = await end_all_by(prison, way)

    assert ending.survivors == {}
    record_property("took", f"{ending.took_s:.2f} s")


@pytest.mark.parametrize(
    ("reached", "at_once", "escaped"),
    [("subreaper", False, {"cleared", "threads"}), ("cgroup2", False, set()), ("pidns", True, set())],
    indirect=["reached"],
)
async def test_what_is_left_when_guards_fork_server_and_worker_are_killed_ends_when_the_worker_comes_back(
    prison: Prison, *, at_once: bool, escaped: set[str]
) -> None:
    """The documented limit: only its guard knows a daemon whose environment is empty, or gone with its main thread.

    In a control group the kernel still knows it; a PID namespace dies with its guard, so nothing is left.
    """
    prison.start()
    await prison.start_trees()
    prison.worker.signal(signal.SIGSTOP)
    guards = prison.guards()
    for pid in (*prison.fork_servers(), *guards):
        os.kill(pid, signal.SIGKILL)
    prison.worker.end()
    if at_once:
        await prison.wait_calm()
    else:
        assert set(prison.survivors()) >= {"cleared", "daemon", "storm"}

    prison.start()
    await prison.worker.until(lambda: len(prison.fake.registered) == 2, what="the next one registers")

    assert set(prison.survivors()) == escaped


@pytest.mark.parametrize("reached", LEVELS[:1], indirect=True)
async def test_stopped_guards_and_fork_server_of_a_killed_worker_end_when_the_worker_comes_back(
    prison: Prison,
) -> None:
    prison.start()
    await prison.start_trees()
    stopped = stop_guards(prison)
    prison.worker.end()
    assert set(prison.survivors()) == set(prison.ledgers)

    prison.start()
    await prison.worker.until(lambda: len(prison.fake.registered) == 2, what="the next worker registers")

    assert prison.survivors() == {}
    await eventually(lambda: not any(map(stat, stopped)), "the fork server and the guards are gone")


@pytest.mark.parametrize("reached", LEVELS[:1], indirect=True)
async def test_a_worker_with_stopped_guards_and_fork_server_obeys_sigint(prison: Prison) -> None:
    prison.start("--kill-grace", "1")
    await prison.start_trees()
    stop_guards(prison)

    prison.worker.signal(signal.SIGINT)

    await outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)
    assert prison.survivors() == {}


@pytest.mark.parametrize("reached", LEVELS[:1], indirect=True)
async def test_a_file_stops_sessions_whose_guards_and_fork_server_were_stopped(prison: Prison) -> None:
    prison.start("--kill-grace", "600")
    await prison.start_trees()
    stop_guards(prison)

    prison.emergency_file.touch()

    await outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)
    assert prison.survivors() == {}


@pytest.mark.parametrize("reached", LEVELS, indirect=True)
async def test_a_session_that_kills_its_guard_ends_alone(prison: Prison) -> None:
    """The orphans of one guard are killed; sessions of other guards never notice."""
    prison.start()
    await prison.start_trees()
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
    await prison.start_trees()
    await prison.address.down()

    prison.emergency_file.touch()

    await prison.wait_calm()
    assert "emergency stop: nothing runs here until the file is gone" in prison.worker.err
    await prison.address.up()
    await outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)
    assert len(prison.fake.registered) == 1, "it takes no claims"
    prison.emergency_file.unlink()
    await prison.worker.until(lambda: len(prison.fake.registered) == 2, what="it takes claims again")
