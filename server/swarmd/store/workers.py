"""Workers as rows: who has joined, and who left."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.model import WorkerIdentity, WorkerKey, WorkerName
from swarmd.store import definition_json
from swarmd.store.transaction import ReadTx, Row, Tx


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What is stored of a worker."""

    key: WorkerKey
    identity: WorkerIdentity
    draining: bool
    left: bool


def find(tx: ReadTx, name: str) -> WorkerRecord | None:
    """The worker of that name."""
    row = tx.one("worker_by_name", name=name)
    return None if row is None else _worker(row)


def every(tx: ReadTx) -> Sequence[WorkerRecord]:
    """All workers that ever joined, by name."""
    return [_worker(row) for row in tx.all("worker_all")]


def put(tx: Tx, identity: WorkerIdentity) -> WorkerKey:
    """Stores what a worker says of itself. A new incarnation is not draining any more."""
    tx.run(
        "worker_put",
        name=identity.name,
        incarnation=identity.incarnation,
        instance=identity.instance,
        slots=identity.slots,
        labels=definition_json.encode_labels(dict(identity.labels)),
        runner=identity.runner,
        host=identity.host,
        pid=identity.pid,
        version=identity.version,
        containment=identity.containment,
        opening=identity.opening,
    )
    record = find(tx, identity.name)
    assert record is not None
    return record.key


def drain(tx: Tx, key: WorkerKey, *, within_s: float | None) -> None:
    """Notes that the worker is to finish, within that time if there is one, and to exit."""
    tx.run("worker_set_draining", key=key, drain_s=within_s)


def drain_s(tx: ReadTx, name: WorkerName) -> float | None:
    """How long the worker may finish what it runs; None if it is not drained, or may take any time."""
    found: float | None = tx.value("worker_drain_s", name=name)
    return found


def drains(tx: ReadTx) -> Sequence[tuple[WorkerName, float]]:
    """The drained workers that have a deadline, and how long they may take."""
    return [(WorkerName(name), within_s) for name, within_s in tx.all("worker_drains")]


def leave(tx: Tx, key: WorkerKey) -> bool:
    """Notes that the worker has gone; False if that is known."""
    return tx.run("worker_set_left", key=key, now_us=tx.now_us) > 0


def _worker(row: Row) -> WorkerRecord:
    identity = WorkerIdentity(
        name=WorkerName(row[1]),
        incarnation=row[2],
        instance=row[3],
        slots=row[4],
        labels=json.loads(row[5]),
        runner=row[6],
        host=row[7],
        pid=row[8],
        version=row[9],
        containment=row[10],
        opening=row[13],
    )
    return WorkerRecord(WorkerKey(row[0]), identity, draining=bool(row[11]), left=row[12] is not None)
