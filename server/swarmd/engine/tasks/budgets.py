"""Budgets of tasks: what is spent, what holds a task, and who raises a cap.

Invariant: what is spent is the sum of what sessions have reported, so nothing is counted twice or forgotten.
"""

from swarmd.domain.budget import MAX_COST_NANO, MAX_TOKENS, Caps, Spent
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.holds import HoldKind, NewHold
from swarmd.domain.landing import SESSIONLESS
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import Task, TaskKey
from swarmd.domain.shared_budget import raise_command
from swarmd.engine.tasks import lookup
from swarmd.engine.tasks.holding import begin, free
from swarmd.store import budgets, events, holds, tasks
from swarmd.store.events import EventKind
from swarmd.store.transaction import ReadTx, Tx


def caps_of(task: Task) -> Caps:
    """Returns the caps of the task, with what people have added."""
    return Caps(task.max_cost_nano, task.max_tokens)


def used_up(tx: ReadTx, task: Task) -> str:
    """Returns the cap that keeps any session of the task from starting, as text; empty if none does.

    A cap that no report can keep does that too. An attempt without a session is stopped by no cap.
    """
    caps = caps_of(task)
    if not caps.any or task.starts_at in SESSIONLESS:
        return ""
    spent = budgets.spent_by_task(tx, task.key)
    return caps.used_up(spent) or caps.unenforceable(spent)


def hold(tx: Tx, task: Task, text: str) -> None:
    """Holds a task that has not started, since it may spend nothing."""
    begin(tx, task, NewHold(HoldKind.BUDGET, text))


def raise_budget(tx: Tx, name: str, *, added: Spent, actor: str) -> TaskKey:
    """Adds to the caps of a task; one that is held for its budget goes on if something is left to spend.

    Raises:
        InvalidRequest: nothing is added, too much is, or the task has no such cap.
    """
    task = lookup.resolve(tx, name)
    check_added(f"task {task.task_id!r}", caps_of(task), added, hint=_own_cap_hint(tx, task))
    budgets.raise_caps(tx, task.key, added)
    task = tasks.get(tx, task.key)
    events.append(
        tx, EventKind.BUDGET_RAISED, task_id=task.task_id, status=task.status, attempt=task.attempt,
        cause=_raised_text(task, actor),
    )  # fmt: skip
    lasting = holds.lasting(tx, task.key) if task.status is TaskStatus.HELD else None
    own = lasting is not None and lasting.kind is HoldKind.BUDGET and lasting.budget is None
    if own and not used_up(tx, task):
        free(tx, task, actor=actor, said="its budget was raised")
    return task.key


def _raised_text(task: Task, actor: str) -> str:
    caps = caps_of(task)
    return f"cap {caps.text}" + (f" ({actor})" if actor else "")


def check_added(owner: str, caps: Caps, added: Spent, *, hint: str = "") -> None:
    """Checks what a person wants to add to caps.

    Raises:
        InvalidRequest: nothing is added, too much is, or the owner has no such cap.
    """
    if added.cost_nano < 0 or added.tokens < 0 or not (added.cost_nano or added.tokens):
        raise InvalidRequest("add_cost", "adds nothing; add dollars or tokens, such as 2")
    for field, extra, cap, most in (
        ("add_cost", added.cost_nano, caps.cost_nano, MAX_COST_NANO),
        ("add_tokens", added.tokens, caps.tokens, MAX_TOKENS),
    ):
        if extra and cap is None:
            name = "max_cost" if field == "add_cost" else "max_tokens"
            raise InvalidRequest(field, f"{owner} has no {name}, so there is nothing to raise{hint}")
        if extra and cap is not None and cap + extra > most:
            raise InvalidRequest(
                field, "would raise the cap above a million dollars or a million million tokens"
            )


def _own_cap_hint(tx: ReadTx, task: Task) -> str:
    """Returns the command that frees the task, if it is held for a budget that it shares."""
    lasting = holds.lasting(tx, task.key) if task.status is TaskStatus.HELD else None
    if lasting is None or lasting.budget is None:
        return ""
    return f"; it is held for a budget that it shares, `{raise_command(*lasting.budget)}`"
