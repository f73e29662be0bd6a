"""The leases that the worker holds, and the orders that concern them."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog

from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.domain.types import LeaseId, StopOrder
from swarm_worker.rpc.orders import stop_order
from swarm_worker.supervision.stop_signal import Stop

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that is held; `task_id` is for the log, which must never show the lease id."""

    lease_id: LeaseId
    task_id: str
    stop: Stop


class Leases:
    """A set of the leases held; `changed` is set when a lease is added or removed."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._held: dict[str, Held] = {}

    def __contains__(self, lease_id: str) -> bool:
        return lease_id in self._held

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    @property
    def ids(self) -> list[str]:
        """The ids of all leases held."""
        return list(self._held)

    def add(self, held: Held) -> None:
        """Adds a lease."""
        self._held[held.lease_id] = held
        self.changed.set()

    def remove(self, held: Held) -> None:
        """Removes a lease: the server has answered its outcome. Safe to call twice."""
        self._held.pop(held.lease_id, None)
        self.changed.set()

    def obey(self, orders: Iterable[wire.Order]) -> list[Held]:
        """Passes orders on; returns the leases that they concern. A repeated order changes nothing."""
        concerned = [(self._held[order.lease_id], order) for order in orders if order.lease_id in self._held]
        for held, order in concerned:
            if held.stop.order is None:
                _log.info("ordered to end a task", task=held.task_id, cause=order.cause)
            held.stop.request(stop_order(order))
        return [held for held, _ in concerned]

    def note_signal(self) -> None:
        """Notes for every attempt that the worker got a signal to end."""
        for held in self:
            held.stop.worker_signalled = True

    def stop_all(self, order: StopOrder) -> None:
        """Orders every attempt to end."""
        for held in self:
            held.stop.request(order)
