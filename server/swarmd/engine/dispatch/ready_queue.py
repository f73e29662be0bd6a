"""The queue of ready tasks, as one round of assignment sees it."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from swarmd.domain.model import Task
from swarmd.store import tasks
from swarmd.store.transaction import Tx

# How many tasks are read at a time, at most.
PAGE: Final = 64


class ReadyQueue:
    """A reader of ready tasks that reads few more than are assigned.

    A popped task stays ready in the store until the round is over: pages are read behind it.
    """

    def __init__(self, tx: Tx, ready: set[int], *, workers: int) -> None:
        """`ready` holds the label sets of ready tasks; `workers` is the number of workers that may want a task."""
        self._tx = tx
        self._workers = workers
        # The label sets that have a task left.
        self.ready = ready
        self._heads: dict[int, deque[tuple[Task, int]]] = {}
        self._read: dict[int, int] = {}

    def pop(self, label_sets: Sequence[int], *, free: int) -> Task | None:
        """Returns the first task with one of these label sets, for a worker with `free` slots."""
        page = min(PAGE, max(self._workers, free))
        heads = [head for label_set in label_sets if (head := self._head(label_set, page))]
        if not heads:
            return None
        best = min(heads, key=lambda head: (-head[0][1], head[0][0].key))
        return best.popleft()[0]

    def _head(self, label_set: int, page: int) -> deque[tuple[Task, int]]:
        """Returns the tasks of the label set that are read and not popped; empty if no more are ready."""
        head = self._heads.get(label_set)
        if head:
            return head
        read = self._read.get(label_set, 0)
        head = deque(tasks.ready(self._tx, label_set, after=read, limit=page))
        self._heads[label_set], self._read[label_set] = head, read + len(head)
        if not head:
            self.ready.discard(label_set)
        return head
