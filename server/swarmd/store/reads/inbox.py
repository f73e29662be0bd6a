"""The inbox: what waits for a person, and how much waits behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import TaskKey
from swarmd.domain.shared_budget import SharedBudget
from swarmd.store import shared_budgets, tasks
from swarmd.store.reads import views
from swarmd.store.reads.views import TaskView
from swarmd.store.transaction import ReadTx

MAX_ENTRIES: Final = 1_000
# The tasks behind one hold are counted up to this number; all holds together cost at most this many rows.
MAX_WAITING: Final = 100_000


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A held task with the number and the estimated hours of the tasks that wait for it, directly or not."""

    task: TaskView
    waiting: int
    waiting_hours: float


@dataclass(frozen=True, slots=True)
class Inbox:
    """The list of what waits for a person, the most urgent first; `held` counts all held tasks."""

    entries: Sequence[InboxEntry]
    held: int
    # The shared budgets for which ready tasks wait.
    budgets: Sequence[SharedBudget]


def read(tx: ReadTx) -> Inbox:
    """Returns the inbox: the hold behind which most tasks wait first, then the longest held."""
    keys = [TaskKey(key) for (key,) in tx.all("hold_inbox", limit=MAX_ENTRIES)]
    room, entries = MAX_WAITING, []
    for view in views.tasks(tx, keys):
        row = tx.one("hold_waiting", task_key=view.key, limit=room)
        assert row is not None
        waiting, hours = row
        room = max(1, room - waiting)
        entries.append(InboxEntry(view, waiting, hours))
    entries.sort(key=lambda entry: -entry.waiting)  # stable, so the longest held stay first
    return Inbox(entries, tasks.count(tx, TaskStatus.HELD), _reached(tx))


def _reached(tx: ReadTx) -> Sequence[SharedBudget]:
    waits = {key for (key,) in tx.all("budget_awaited")}
    return [budget for budget in shared_budgets.find_all(tx) if budget.key in waits] if waits else []
