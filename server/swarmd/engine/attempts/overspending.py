"""Sessions that pass a cap of their task, or a budget that it shares: they are ordered to end, also after a restart."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from swarmd.domain.budget import BudgetEnd
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Lease, OrderAction, SwarmMode
from swarmd.domain.shared_budget import SharedBudget
from swarmd.engine.live.state import LiveState
from swarmd.engine.tasks import budgets
from swarmd.engine.tasks.shared_budgets import covering
from swarmd.store import attempts, shared_budgets
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
    if record.over_budget:
        return True
    if not budgets.used_up(tx, record.task) and _shared_used_up(tx, record) is None:
        return False
    store.mark_over(tx, record.lease)
    return True


def stop_if_passed(tx: Tx, live: LiveState, record: LeaseRecord) -> None:
    """Orders sessions to end, once: those of the task if they have passed its cap, and all that share a passed budget.

    A report about an attempt that has ended can pass the cap of the attempt that runs now.
    """
    _stop_all_if_passed(tx, live, record)
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
    """Returns the budget of an attempt that ends; None if no cap concerns that end.

    A budget that the task shares holds it only if its sessions were ended for that; else the task waits for room.
    """
    if not record.over_budget and not budgets.caps_of(record.task).any:
        return None
    if (text := budgets.used_up(tx, record.task)) or not record.over_budget:
        return BudgetEnd(text, ordered=record.over_budget)
    shared = _shared_used_up(tx, record)
    if shared is None:
        return BudgetEnd("", ordered=True)
    return BudgetEnd(shared.used_up, ordered=True, budget_key=shared.key)


def _stop_all_if_passed(tx: Tx, live: LiveState, record: LeaseRecord) -> None:
    for budget in _covering(tx, record):
        if not budget.passed:
            continue
        for lease in shared_budgets.open_leases(tx, budget):
            store.mark_over(tx, lease)
            tx.after_commit(partial(order_end, live, lease))


def _shared_used_up(tx: ReadTx, record: LeaseRecord) -> SharedBudget | None:
    """Returns the first budget of the attempt that leaves nothing to spend. A landing spends nothing."""
    if record.work_of:
        return None
    return next((budget for budget in _covering(tx, record) if budget.used_up), None)


def _covering(tx: ReadTx, record: LeaseRecord) -> Sequence[SharedBudget]:
    if not record.budgets:
        return ()
    key = record.lease.attempt_key
    scope, account = shared_budgets.scope(tx, record.task.key), shared_budgets.account(tx, key)
    return covering(shared_budgets.find_all(tx, with_reserved=False), scope, account)
