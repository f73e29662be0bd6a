"""Orders, durations and signs of running programs on the wire; the messages of a task are in `convert`."""

from typing import TYPE_CHECKING

from google.protobuf import duration_pb2

from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.domain.types import StopOrder

if TYPE_CHECKING:  # an idle worker does without the values of sessions
    from swarm_worker.supervision.model import RunSigns


def stop_order(order: wire.Order) -> StopOrder:
    """Returns an order as a value; an unknown action counts as `STOP`."""
    at_once = (wire.ORDER_ACTION_STOP_NOW, wire.ORDER_ACTION_ABANDON)
    return StopOrder(cause=order.cause, graceful=order.action not in at_once)


def seconds(duration: duration_pb2.Duration) -> float:
    """Returns a duration in seconds; an unset one is 0."""
    return duration.ToMicroseconds() / 1e6


def running_program(lease_id: str, signs: "RunSigns") -> wire.RunningProgram:
    """Converts the signs of a program that runs."""
    program = wire.RunningProgram(lease_id=lease_id, times_out_in=_duration(signs.times_out_in_s))
    if signs.quiet_s is not None:
        program.quiet.CopyFrom(_duration(signs.quiet_s))
    if signs.stalls_in_s is not None:
        program.stalls_in.CopyFrom(_duration(signs.stalls_in_s))
    return program


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(int(seconds * 1e6))
    return duration
