"""The queue of ready tasks, as one round of assignment sees it."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from swarmd.store import tasks
from swarmd.store.task_records import ReadyGroup, ReadyTask
from swarmd.store.transaction import Tx

# How many tasks are read at a time, at most.
PAGE: Final = 64
_NOTHING: Final[deque[ReadyTask]] = deque(maxlen=0)


class ReadyQueue:
    """A reader of ready tasks that reads few more than are assigned.

    A popped task stays ready in the store until the round is over: pages are read behind it.
    """

    def __init__(self, tx: Tx, ready: set[ReadyGroup], *, workers: int) -> None:
        """`ready` holds the groups of ready tasks; `workers` is the number of workers that may want a task."""
        self._tx = tx
        self._workers = workers
        # The groups that have a task left.
        self.ready = ready
        self._heads: dict[ReadyGroup, deque[ReadyTask]] = {}
        self._popped_from = _NOTHING
        self._read: dict[ReadyGroup, int] = {}

    def pop(self, groups: Sequence[ReadyGroup], *, free: int) -> ReadyTask | None:
        """Returns the first task of these groups, for a worker with `free` slots."""
        heads = [head for group in groups if (head := self._head(group, free))]
        if not heads:
            return None
        best = min(heads, key=lambda head: (-head[0].priority, head[0].task.key))
        self._popped_from = best
        return best.popleft()

    def put_back(self, found: ReadyTask) -> None:
        """Leaves the task that was popped last to another worker."""
        self._popped_from.appendleft(found)

    def close(self, wait_key: int) -> None:
        """Leaves the tasks that wait for this name to a later round."""
        self.ready -= {group for group in self.ready if group.wait_key == wait_key}

    def _head(self, group: ReadyGroup, free: int) -> deque[ReadyTask]:
        """Returns the tasks of the group that are read and not popped; empty if no more may be claimed.

        Each page is as long as all before it, since a round that goes on passes over tasks that have to wait.
        """
        if group not in self.ready:
            return _NOTHING
        head = self._heads.get(group)
        if head:
            return head
        read = self._read.get(group, 0)
        page = min(PAGE, max(self._workers, free, read))
        head = deque(tasks.ready(self._tx, group, after=read, limit=page))
        self._heads[group], self._read[group] = head, read + len(head)
        if not head:
            self.ready.discard(group)
        return head
