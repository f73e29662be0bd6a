"""The ready tasks in the order in which they are given, as one look for work sees them."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from swarmd.domain.model import Task
from swarmd.store import tasks
from swarmd.store.transaction import Tx

# How many tasks are read at once, at most.
PAGE: Final = 64


class ReadyQueue:
    """Reads no more of the line than is likely to be taken. What is taken stays ready until the look is over."""

    def __init__(self, tx: Tx, ready: set[int], *, workers: int) -> None:
        """`ready` are the sets of labels that ready tasks ask for; `workers`, how many may want one."""
        self._tx = tx
        self._workers = workers
        # The label sets that have a task left.
        self.ready = ready
        self._heads: dict[int, deque[tuple[Task, int]]] = {}
        self._read: dict[int, int] = {}

    def take(self, label_sets: Sequence[int], *, free: int) -> Task | None:
        """The first task that asks for one of these sets of labels, for a worker with so many free slots."""
        page = min(PAGE, max(self._workers, free))
        heads = [head for label_set in label_sets if (head := self._head(label_set, page))]
        if not heads:
            return None
        best = min(heads, key=lambda head: (-head[0][1], head[0][0].key))
        return best.popleft()[0]

    def _head(self, label_set: int, page: int) -> deque[tuple[Task, int]]:
        """What has been read of those that ask for that set of labels; nothing if there are no more."""
        head = self._heads.get(label_set)
        if head:
            return head
        read = self._read.get(label_set, 0)
        head = deque(tasks.ready(self._tx, label_set, after=read, limit=page))
        self._heads[label_set], self._read[label_set] = head, read + len(head)
        if not head:
            self.ready.discard(label_set)
        return head
