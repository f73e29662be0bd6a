"""Spending of tasks, and their raised caps, as rows."""

from swarmd.domain.budget import Spent
from swarmd.domain.model import Lease, TaskKey
from swarmd.store.transaction import ReadTx, Tx


def spent_by_task(tx: ReadTx, key: TaskKey) -> Spent:
    """Returns what all sessions of the task have reported so far."""
    row = tx.one("budget_spent_by_task", task_key=key)
    assert row is not None
    return Spent(*row)


def raise_caps(tx: Tx, key: TaskKey, added: Spent) -> None:
    """Adds to the caps of the task."""
    tx.run("budget_raise", task_key=key, add_cost_nano=added.cost_nano, add_tokens=added.tokens)


def mark_over(tx: Tx, lease: Lease) -> None:
    """Notes that the sessions of the attempt have to end because a cap was passed."""
    tx.run("attempt_over_budget", key=lease.attempt_key)
