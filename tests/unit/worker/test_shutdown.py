"""The worker's way out: phases, signals, and what the worker waits for."""

import asyncio
from typing import Any

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from support.waiting import eventually
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.types import StopOrder
from swarm_worker.shutdown import Phase, Shutdown


class FakeSlots:
    """Slots whose sessions end when a test says so."""

    def __init__(self) -> None:
        self.orders: list[StopOrder] = []
        self.declined = 0
        self.signals = 0
        self.ended = asyncio.Event()
        self.answered = asyncio.Event()

    def note_signal(self) -> None:
        self.signals += 1

    def stop(self, order: StopOrder) -> None:
        self.orders.append(order)

    def decline(self) -> None:
        self.declined += 1

    async def all_ended(self) -> None:
        await self.ended.wait()

    async def all_answered(self, _timeout_s: float) -> None:
        await self.answered.wait()


class Harness:
    """A shutdown with its slots and leases."""

    def __init__(self, *leases: str, idle_s: float = 0.0, drain_s: float = 0.0) -> None:
        self.slots, self.leases, self.stopped_claiming = FakeSlots(), list(leases), 0
        slots: Any = self.slots
        held: Any = self.leases
        config = WorkerConfig(server="host:1", exit_when_idle=idle_s, drain_deadline=drain_s)
        self.shutdown = Shutdown(config, slots, held, stop_claiming=self._stop_claiming)

    def _stop_claiming(self) -> None:
        self.stopped_claiming += 1


async def test_sigterm_drains_and_leaves_when_the_last_lease_is_gone() -> None:
    harness = Harness("a")

    harness.shutdown.on_sigterm()
    assert (harness.shutdown.phase, harness.slots.declined, harness.stopped_claiming) == (
        Phase.DRAINING,
        1,
        1,
    )
    assert not harness.shutdown.left.done()
    assert harness.slots.orders == []

    harness.leases.clear()
    harness.shutdown.leave_if_idle()
    assert harness.shutdown.left.done()


async def test_each_further_signal_shortens_the_wait() -> None:
    harness = Harness("a")

    for phase in (Phase.DRAINING, Phase.STOPPING, Phase.FORCING, Phase.LEAVING, Phase.LEAVING):
        harness.shutdown.on_sigterm()
        assert harness.shutdown.phase is phase

    assert [order.graceful for order in harness.slots.orders] == [True, False, False, False]
    assert harness.slots.signals >= 5
    assert harness.shutdown.left.done(), "the last phase waits for nothing"
    await harness.shutdown.close()


async def test_sigint_waits_for_the_sessions_and_then_for_the_answers() -> None:
    harness = Harness("a")

    harness.shutdown.on_sigint()
    await asyncio.sleep(0)
    assert not harness.shutdown.left.done()
    harness.slots.ended.set()
    await asyncio.sleep(0)
    assert not harness.shutdown.left.done()
    harness.slots.answered.set()

    await harness.shutdown.left
    await harness.shutdown.close()


async def test_an_idle_worker_leaves_only_if_the_swarm_has_no_work_left() -> None:
    harness = Harness()

    harness.shutdown.leave_if_idle()
    assert not harness.shutdown.left.done()

    harness.shutdown.leave_when_idle = True
    harness.shutdown.leave_if_idle()
    assert harness.shutdown.left.done()


async def test_a_registered_worker_without_a_task_drains_after_its_limit() -> None:
    harness = Harness(idle_s=0.01)
    harness.shutdown.registered = True

    harness.shutdown.measure_idleness()
    assert harness.shutdown.active
    await harness.shutdown.left

    assert (harness.shutdown.phase, harness.stopped_claiming) == (Phase.DRAINING, 1)


async def test_a_task_ends_the_measurement_and_its_end_begins_another() -> None:
    harness = Harness("a", idle_s=0.01)
    harness.shutdown.registered = True
    harness.shutdown.measure_idleness()
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.03, over.set)  # after the limit, by the order of timers
    await over.wait()
    assert harness.shutdown.active, "it holds a lease"

    harness.leases.clear()
    harness.shutdown.on_lease_ended()
    assert harness.shutdown.active
    await harness.shutdown.left


async def test_a_worker_that_no_server_answered_says_so_after_its_limit() -> None:
    harness = Harness(idle_s=0.01)

    harness.shutdown.measure_idleness()
    with pytest.raises(ProgramExit, match=r"host:1 has not answered for 0\.01 s") as raised:
        await harness.shutdown.left

    assert raised.value.code == ExitCode.UNREACHABLE


async def test_a_worker_without_a_limit_stays_and_a_closed_one_measures_nothing() -> None:
    harness, limited = Harness(), Harness(idle_s=0.01)
    for each in (harness, limited):
        each.shutdown.registered = True
        each.shutdown.measure_idleness()
    await limited.shutdown.close()
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.03, over.set)  # after the limit, by the order of timers
    await over.wait()

    assert harness.shutdown.active
    assert limited.shutdown.active


async def test_a_worker_that_leaves_takes_no_further_error() -> None:
    harness = Harness()
    harness.shutdown.drain()

    harness.shutdown.fail(ValueError("late"))

    await harness.shutdown.left


async def test_a_failed_loop_ends_the_worker_with_its_error() -> None:
    harness = Harness("a")

    harness.shutdown.fail(ValueError("broken"))

    with pytest.raises(ValueError, match="broken"):
        await harness.shutdown.left


async def test_a_refused_worker_ends_its_sessions_with_grace() -> None:
    harness = Harness("a")
    harness.slots.ended.set()

    await harness.shutdown.stop_and_keep_outcomes()

    assert [order.graceful for order in harness.slots.orders] == [True]
    assert not harness.shutdown.active


async def test_at_the_deadline_of_a_drain_the_sessions_are_ended_as_interrupted() -> None:
    harness = Harness("a", drain_s=0.01)

    harness.shutdown.on_sigterm()
    await eventually(lambda: harness.shutdown.phase is Phase.STOPPING, "the sessions are ended")

    [order] = harness.slots.orders
    assert (order.graceful, order.interrupts, order.cause) == (True, True, "the drain took 0.01 s")
    await harness.shutdown.close()


async def test_a_drain_that_is_over_before_its_deadline_ends_nothing() -> None:
    harness = Harness("a", drain_s=0.01)
    harness.shutdown.on_sigterm()
    harness.leases.clear()
    harness.shutdown.on_lease_ended()

    passed = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.02, passed.set_result, None)
    await passed

    assert harness.slots.orders == []
    assert harness.shutdown.left.done()
    await harness.shutdown.close()
