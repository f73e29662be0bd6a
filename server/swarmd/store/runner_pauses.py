"""Pauses of runners, and the faults that tasks have met in a row, as rows."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from swarmd.domain.breaker import RunnerFault
from swarmd.domain.model import AttemptKey, FailureClass, Lease, PausedRunner, SessionRole, TaskKey
from swarmd.store.transaction import ReadTx, Row, Tx


class FaultHit(NamedTuple):
    """A failure of a task with the fault in question."""

    task_key: TaskKey
    # Of the attempt.
    number: int
    worker: str
    charged: bool
    # The role has worked at another worker since.
    alone: bool


def find_all(tx: ReadTx) -> Sequence[PausedRunner]:
    """Returns all pauses, the oldest of a runner first."""
    return [_pause(row) for row in tx.all("runner_pause_all")]


def covering(tx: ReadTx, runner: str, worker: str) -> Sequence[PausedRunner]:
    """Returns the pauses of the runner that concern the worker."""
    return [_pause(row) for row in tx.all("runner_pause_covering", runner=runner, worker=worker)]


def find(tx: ReadTx, key: int) -> PausedRunner | None:
    """Returns the pause with that key, None if it has ended."""
    row = tx.one("runner_pause_by_key", key=key)
    return None if row is None else _pause(row)


def add(
    tx: Tx,
    runner: str,
    worker: str,
    fault: RunnerFault,
    *,
    cause: str,
    task_ids: Sequence[str],
    cooldown_s: float,
) -> int:
    """Pauses a role of a runner, at one worker or everywhere; returns the key, 0 if it is paused already."""
    added = tx.run(
        "runner_pause_add",
        runner=runner,
        worker=worker,
        role=fault.role,
        failure_class=fault.failure_class,
        fingerprint=fault.fingerprint,
        cause=cause,
        now_us=tx.now_us,
        task_ids=json.dumps(list(task_ids)),
        cooldown_s=cooldown_s,
    )
    return int(tx.value("runner_pause_last_key")) if added else 0


def close_again(tx: Tx, pause: PausedRunner, *, cooldown_s: float) -> None:
    """Pauses the role again after a probe that met the same fault."""
    tx.run("runner_pause_close", key=pause.key, cooldown_s=cooldown_s, now_us=tx.now_us)


def add_task(tx: Tx, pause: PausedRunner, task_id: str) -> None:
    """Notes a task that met the fault too."""
    ids = list(dict.fromkeys((*pause.task_ids, task_id)))
    tx.run("runner_pause_set_tasks", key=pause.key, task_ids=json.dumps(ids))


def half_open(tx: Tx, key: int) -> bool:
    """Lets one attempt through; returns False if the pause is half open already, or has ended."""
    return tx.run("runner_pause_half_open", key=key) > 0


def half_open_all(tx: Tx) -> int:
    """Lets one attempt through each pause; returns how many were closed."""
    return tx.run("runner_pause_half_open_all")


def set_probe(tx: Tx, key: int, attempt: AttemptKey) -> None:
    """Names the attempt that finds out whether the fault is gone."""
    tx.run("runner_pause_probe", key=key, probe_key=attempt)


def remove(tx: Tx, key: int) -> None:
    """Ends a pause."""
    tx.run("runner_pause_remove", key=key)


def add_fault(tx: Tx, lease: Lease, runner: str, fault: RunnerFault, *, charged: bool) -> None:
    """Counts a failure; one with another fingerprint at the same worker ends the row before."""
    where = {"runner": runner, "worker": lease.worker, "role": fault.role}
    tx.run("runner_fault_end_row", fingerprint=fault.fingerprint, **where)
    tx.run(
        "runner_fault_add",
        attempt_key=lease.attempt_key,
        task_key=lease.task_key,
        number=lease.number,
        fingerprint=fault.fingerprint,
        charged=charged,
        **where,
    )


def hits(tx: ReadTx, runner: str, fault: RunnerFault) -> Sequence[FaultHit]:
    """Returns the failures with that fault in a row, the oldest first."""
    rows = tx.all("runner_fault_hits", runner=runner, role=fault.role, fingerprint=fault.fingerprint)
    return [
        FaultHit(TaskKey(key), number, worker, bool(charged), bool(alone))
        for key, number, worker, charged, alone in rows
    ]


def forget_faults(tx: Tx, runner: str, role: SessionRole, *, worker: str = "") -> None:
    """Forgets the failures of a role of the runner, at one worker or everywhere."""
    tx.run("runner_fault_forget", runner=runner, role=role, worker=worker)


def worked(tx: Tx, runner: str, role: SessionRole, worker: str) -> None:
    """Notes that the role works at the worker: its row of failures ends, and those of others are theirs alone."""
    forget_faults(tx, runner, role, worker=worker)
    tx.run("runner_fault_alone", runner=runner, role=role)


def runners_with_faults(tx: ReadTx) -> frozenset[str]:
    """Returns the runners with a pause or a failure in a row."""
    return frozenset(row[0] for row in tx.all("runner_fault_runners"))


def _pause(row: Row) -> PausedRunner:
    (
        key, runner, worker, role, failure_class, fingerprint, cause, paused_us, task_ids, cooldown_s, failed_probes,
        half_open_, probe_key, probe_task_id,
    ) = row  # fmt: skip
    return PausedRunner(
        runner=runner,
        worker=worker,
        cause=cause,
        paused_us=paused_us,
        key=key,
        role=SessionRole(role),
        failure_class=FailureClass(failure_class),
        fingerprint=fingerprint,
        task_ids=tuple(json.loads(task_ids)),
        cooldown_s=cooldown_s,
        failed_probes=failed_probes,
        half_open=bool(half_open_),
        probe_key=probe_key,
        probe_task_id=probe_task_id or "",
    )
