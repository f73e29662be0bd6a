"""Orders and durations of the wire as values; the messages of a task are in `convert`."""

from google.protobuf import duration_pb2

from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.domain.types import StopOrder


def stop_order(order: wire.Order) -> StopOrder:
    """Returns an order as a value; an unknown action counts as `STOP`."""
    at_once = (wire.ORDER_ACTION_STOP_NOW, wire.ORDER_ACTION_ABANDON)
    return StopOrder(cause=order.cause, graceful=order.action not in at_once)


def seconds(duration: duration_pb2.Duration) -> float:
    """Returns a duration in seconds; an unset one is 0."""
    return duration.ToMicroseconds() / 1e6
