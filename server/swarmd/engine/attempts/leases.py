"""Whether a lease id is true: the question that every report of a worker begins with."""

from swarmd.domain.lease_ids import parse_lease_id
from swarmd.domain.model import LeaseId, Order, OrderAction, WorkerName
from swarmd.store import attempts
from swarmd.store.attempts import LeaseRecord
from swarmd.store.transaction import ReadTx


def find(tx: ReadTx, worker: WorkerName, lease_id: str) -> LeaseRecord | None:
    """What the lease points at, if the id is true and the lease is, or was, this worker's."""
    ref = parse_lease_id(lease_id)
    record = None if ref is None else attempts.find(tx, ref.task_key, ref.number)
    if record is None or ref is None or record.lease.worker != worker or not ref.proves(record.lease):
        return None
    return record


def abandon(lease_id: str) -> Order:
    """What to do about a lease that stands no more."""
    return Order(LeaseId(lease_id), OrderAction.ABANDON, "the lease has ended")
