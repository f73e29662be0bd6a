"""Budgets of ready tasks, as one round of assignment sees them."""

from typing import Final, NamedTuple

from swarmd.domain.model import Task
from swarmd.engine.tasks import budgets
from swarmd.store.transaction import ReadTx

# A round holds at most this many tasks, each of which costs a few writes; the next round goes on.
MAX_REFUSED: Final = 256


class Refused(NamedTuple):
    """A task that may spend nothing more, with its cap as text."""

    task: Task
    text: str


class Funds:
    """The look at budgets before claims, and the tasks that are to be held because theirs are used up."""

    def __init__(self, tx: ReadTx) -> None:
        self._tx = tx
        self.refused: list[Refused] = []

    @property
    def exhausted(self) -> bool:
        """Returns whether the round may refuse no more tasks."""
        return len(self.refused) >= MAX_REFUSED

    def admit(self, task: Task) -> bool:
        """Returns whether the task may spend something; notes it as refused if not."""
        if text := budgets.used_up(self._tx, task):
            self.refused.append(Refused(task, text))
        return not text
