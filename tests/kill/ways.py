"""Ways to end sessions; each returns when the worker reports the end, or when nothing lives if the worker is dead."""

import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.process_tree import ESCAPES
from fakes.swarm_server import stop
from kill.prison import Prison

Way = Callable[[Prison], Awaitable[None]]
STOP_AFTER_S = 3.0
TIMEOUT_S = 6.0


async def killed(prison: Prison) -> None:
    """Kills by an operator's order: with grace, over the heartbeat."""
    prison.fake.orders = [stop(style) for style in ESCAPES]
    await outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)


async def emergency(prison: Prison) -> None:
    """Kills by an emergency stop: without grace, over the stream."""
    prison.fake.send(orders=[stop(style, wire.ORDER_ACTION_STOP_NOW) for style in ESCAPES])
    await outcomes(prison, task_pb2.OUTCOME_KIND_STOPPED)


async def worker_killed(prison: Prison) -> None:
    """Kills the worker; the guards notice by the end of their sockets."""
    prison.worker.end()
    await prison.wait_calm()


async def worker_frozen(prison: Prison) -> None:
    """Freezes the worker; the guards end what had no extension for `stop_after`."""
    prison.worker.signal(signal.SIGSTOP)
    await prison.wait_calm()


async def guard_killed(prison: Prison) -> None:
    """Kills the guards; the worker adopts the orphans."""
    guards = prison.guards()
    assert len(guards) == len(ESCAPES)
    for guard in guards:
        os.kill(guard, signal.SIGKILL)
    await outcomes(prison, task_pb2.OUTCOME_KIND_FAILED)
    classes = {outcome.failure_class for outcome in prison.fake.outcomes.values()}
    assert classes == {task_pb2.FAILURE_CLASS_CRASHED}


async def guards_and_worker_killed(prison: Prison) -> None:
    """Kills the guards, and the worker before it can kill the orphans; the fork server has adopted them."""
    prison.worker.signal(signal.SIGSTOP)
    for guard in prison.guards():
        os.kill(guard, signal.SIGKILL)
    prison.worker.end()
    await prison.wait_calm()


async def guards_stopped(prison: Prison) -> None:
    """Stops the guards and their fork server, as a session can, before an operator's kill."""
    stop_guards(prison)
    await killed(prison)


async def guards_stopped_worker_killed(prison: Prison) -> None:
    """Stops the guards, and kills the worker; the fork server continues the guards."""
    for pid in prison.guards():
        os.kill(pid, signal.SIGSTOP)
    prison.worker.end()
    await prison.wait_calm()


def stop_guards(prison: Prison) -> Sequence[int]:
    """Stops the fork server and the guards; returns their pids."""
    stopped = [*prison.fork_servers(), *prison.guards()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    return stopped


async def timeout(prison: Prison) -> None:
    """Ends sessions by the worker's own clock."""
    await outcomes(prison, task_pb2.OUTCOME_KIND_FAILED)
    classes = {outcome.failure_class for outcome in prison.fake.outcomes.values()}
    assert classes == {task_pb2.FAILURE_CLASS_TIMEOUT}


async def outcomes(prison: Prison, kind: task_pb2.OutcomeKind.ValueType) -> None:
    """Waits until all attempts have ended, and in that way."""
    fake = prison.fake
    await prison.worker.until(lambda: len(fake.outcomes) == len(ESCAPES), what="all attempts have ended")
    assert {outcome.kind for outcome in fake.outcomes.values()} == {kind}
    assert not any(outcome.kill_receipt.survivors for outcome in fake.outcomes.values())


WAYS: tuple[Way, ...] = (
    killed,
    emergency,
    worker_killed,
    worker_frozen,
    guard_killed,
    guards_and_worker_killed,
    guards_stopped,
    guards_stopped_worker_killed,
    timeout,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """The survivors by style at the reported end, and the time until then."""

    survivors: Mapping[str, list[str]]
    took_s: float


async def end_all_by(prison: Prison, way: Way) -> Ending:
    """Starts a session of each style and ends all in one way. Returns when nothing is left in any case."""
    prison.fake.stop_after_s = STOP_AFTER_S if way is worker_frozen else 60.0
    prison.start("--builder-timeout", str(TIMEOUT_S) if way is timeout else "60")
    await prison.start_trees()
    began_s = time.monotonic()
    await way(prison)
    ending = Ending(prison.survivors(), time.monotonic() - began_s)
    await prison.wait_calm()
    return ending
