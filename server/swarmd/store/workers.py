"""Workers as rows: their identities, drains and departures."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swarmd.domain.model import WorkerIdentity, WorkerKey, WorkerName
from swarmd.domain.workspaces import WorkspaceKind
from swarmd.store import definition_json
from swarmd.store.transaction import ReadTx, Row, Tx


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker as it is stored."""

    key: WorkerKey
    identity: WorkerIdentity
    draining: bool
    left_us: int | None

    @property
    def left(self) -> bool:
        """Returns whether the worker has left, or is lost."""
        return self.left_us is not None


class DrainDeadline(NamedTuple):
    """A drained worker, and the time that it may take to finish."""

    name: WorkerName
    within_s: float


def find(tx: ReadTx, name: str) -> WorkerRecord | None:
    """Returns the worker with that name, None if there is none."""
    row = tx.one("worker_by_name", name=name)
    return None if row is None else _worker(row)


def list_all(tx: ReadTx) -> Sequence[WorkerRecord]:
    """Returns all workers that ever joined, by name."""
    return [_worker(row) for row in tx.all("worker_all")]


def upsert(tx: Tx, identity: WorkerIdentity) -> WorkerKey:
    """Stores the identity of a worker; a new incarnation is not draining. Returns its key."""
    tx.run(
        "worker_upsert",
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
        repository=identity.repository,
        target=identity.target,
        workspace=identity.workspace,
        enforcement=definition_json.encode_enforcement(identity.enforcement),
    )
    record = find(tx, identity.name)
    assert record is not None
    return record.key


def set_draining(tx: Tx, key: WorkerKey, *, within_s: float | None) -> None:
    """Marks the worker as draining; `within_s` bounds the time that it may take."""
    tx.run("worker_set_draining", key=key, drain_s=within_s)


def drain_deadline_s(tx: ReadTx, name: WorkerName) -> float | None:
    """Returns the time that a drain gives the worker; None without a drain or without a deadline."""
    found: float | None = tx.value("worker_drain_s", name=name)
    return found


def drain_deadlines(tx: ReadTx) -> Sequence[DrainDeadline]:
    """Returns the drained workers that have a deadline."""
    return [DrainDeadline(WorkerName(name), within_s) for name, within_s in tx.all("worker_drains")]


def set_left(tx: Tx, key: WorkerKey) -> bool:
    """Marks the worker as gone; returns False if it is marked already."""
    return tx.run("worker_set_left", key=key, now_us=tx.now_us) > 0


def delete_left(tx: Tx, *, before_us: int) -> None:
    """Deletes the workers that left before that time and have no attempt."""
    tx.run("worker_delete_left", before_us=before_us)


def _worker(row: Row) -> WorkerRecord:
    (
        key, name, incarnation, instance, slots, labels, runner, host, pid, version, containment, opening,
        repository, target, workspace, enforcement, draining, left_us,
    ) = row  # fmt: skip
    identity = WorkerIdentity(
        WorkerName(name), incarnation, instance, slots, json.loads(labels), runner, host, pid, version, containment,
        opening, repository=repository, target=target, workspace=WorkspaceKind(workspace),
        enforcement=definition_json.decode_enforcement(enforcement),
    )  # fmt: skip
    return WorkerRecord(WorkerKey(key), identity, draining=bool(draining), left_us=left_us)
