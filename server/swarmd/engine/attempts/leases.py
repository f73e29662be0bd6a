"""Checks of lease ids: every report of a worker begins with one."""

from collections.abc import Collection

from swarmd.domain.lease_ids import parse_lease_id
from swarmd.domain.model import LeaseId, Order, OrderAction, SwarmMode, Task, WorkerName
from swarmd.store import attempts, swarm
from swarmd.store.attempts import LeaseRecord
from swarmd.store.transaction import ReadTx


def find(tx: ReadTx, worker: WorkerName, lease_id: str) -> LeaseRecord | None:
    """Returns the attempt of the lease, or None if the id is forged or the lease was never this worker's."""
    ref = parse_lease_id(lease_id)
    record = None if ref is None else attempts.find(tx, ref.task_key, ref.number)
    if record is None or ref is None or record.lease.worker != worker or not ref.proves(record.lease):
        return None
    return record


def abandon_order(lease_id: str, cause: str = "the lease has ended") -> Order:
    """Returns the order to end what runs under the lease."""
    return Order(LeaseId(lease_id), OrderAction.ABANDON, cause)


def stop_order(tx: ReadTx, lease_id: str, task: Task) -> Order:
    """Returns the order for an attempt whose task is being killed."""
    stopped = swarm.get(tx).mode is SwarmMode.STOPPED
    return Order(LeaseId(lease_id), OrderAction.STOP_NOW if stopped else OrderAction.STOP, task.cause)


def known(tx: ReadTx, worker: WorkerName, lease_ids: Collection[str]) -> list[str]:
    """Returns those of the ids that are, or were, leases of this worker."""
    return [lease_id for lease_id in lease_ids if find(tx, worker, lease_id) is not None]
