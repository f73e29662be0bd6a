"""Sessions that pass a cap of their task: they are ordered to end, once, and again after a restart."""

from functools import partial
from typing import Final

from swarmd.domain.budget import BudgetEnd
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Lease, OrderAction, SwarmMode
from swarmd.engine.live.state import LiveState
from swarmd.engine.tasks import budgets
from swarmd.store import attempts
from swarmd.store import budgets as store
from swarmd.store.attempts import LeaseRecord, OpenLease
from swarmd.store.transaction import ReadTx, Tx

CAUSE: Final = "a cap was passed"


def order_end(live: LiveState, lease: Lease) -> None:
    """Orders the worker to end the sessions of the attempt; each heartbeat repeats it."""
    live.order(lease, OrderAction.STOP, CAUSE)


def order_again(live: LiveState, found: OpenLease) -> None:
    """Repeats the order to end an attempt, after a restart: that of a kill, or that of a cap."""
    if found.status is TaskStatus.KILLING:
        stopped = found.mode is SwarmMode.STOPPED
        live.order(found.lease, OrderAction.STOP_NOW if stopped else OrderAction.STOP, found.cause)
    elif found.over_budget:
        order_end(live, found.lease)


def refuses_go(tx: Tx, record: LeaseRecord) -> bool:
    """Returns whether a session may not start, since its task may spend nothing more; notes that for the end."""
    if record.over_budget or not budgets.used_up(tx, record.task):
        return record.over_budget
    store.mark_over(tx, record.lease)
    return True


def stop_if_passed(tx: Tx, live: LiveState, record: LeaseRecord) -> None:
    """Orders the sessions of the task to end, once, if what they have reported passes a cap.

    A report about an attempt that has ended can pass the cap of the attempt that runs now.
    """
    task = record.task
    caps = budgets.caps_of(task)
    if not caps.any or not caps.passed(store.spent_by_task(tx, task.key)):
        return
    running = record if record.outcome is None else attempts.find(tx, task.key, task.attempt)
    if running is None or running.outcome is not None or running.over_budget:
        return
    store.mark_over(tx, running.lease)
    tx.after_commit(partial(order_end, live, running.lease))


def end_of(tx: ReadTx, record: LeaseRecord) -> BudgetEnd | None:
    """Returns the budget of an attempt that ends; None if the task has no cap."""
    if not budgets.caps_of(record.task).any:
        return None
    return BudgetEnd(budgets.used_up(tx, record.task), ordered=record.over_budget)
