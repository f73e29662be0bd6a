"""Pages of the task list: the keys of a page in the requested order, and the start of the next page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import TaskKey, Usage
from swarmd.store.text_search import folded
from swarmd.store.transaction import ReadTx, Row, Value


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """A filter of tasks; an empty value fits all."""

    statuses: Sequence[TaskStatus] = ()
    phase: str = ""
    search: str = ""

    def parameters(self) -> dict[str, Value]:
        """Returns the filter as parameters of the queries."""
        statuses = json.dumps(list(self.statuses))
        return {
            "statuses": statuses,
            "phase": self.phase,
            "search": folded(self.search),
            "search_is_ascii": self.search.isascii(),
        }


class Sort(StrEnum):
    """The columns that sort a list."""

    ID = "id"
    STATUS = "status"
    PHASE = "phase"
    PRIORITY = "priority"
    CREATED_AT = "created_at"
    STARTED_AT = "started_at"
    COMPLETED_AT = "completed_at"
    NAME = "name"
    ATTEMPT = "attempt"
    WORKER = "worker"
    # Over all attempts; a task that runs counts until now.
    TOOK = "took"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class SortKey:
    """The position of a task in a sorted list, unique for each task."""

    value: str | int
    key: int


@dataclass(frozen=True, slots=True)
class Match:
    """A task that fits a filter, with its status."""

    key: TaskKey
    task_id: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class SortedPage:
    """The keys of one page, and the position of its last task."""

    keys: Sequence[TaskKey]
    last: SortKey | None


def page(tx: ReadTx, wanted: TaskFilter, *, after: int, limit: int) -> Sequence[TaskKey]:
    """Returns the next tasks after the key `after`, in the order of import."""
    rows = tx.all("view_task_keys", after=after, limit=limit, **wanted.parameters())
    return [TaskKey(row[0]) for row in rows]


def sorted_page(
    tx: ReadTx,
    wanted: TaskFilter,
    *,
    sort: Sort,
    down: bool,
    after: SortKey | None,
    limit: int,
    now_us: int,
) -> SortedPage:
    """Returns the next tasks after the position `after`, in the given order."""
    rows = tx.all(
        "view_task_keys_sorted",
        sort=sort,
        down=down,
        place=None if after is None else after.value,
        after=None if after is None else after.key,
        limit=limit,
        now_us=now_us,
        **wanted.parameters(),
    )
    last = SortKey(rows[-1][1], rows[-1][0]) if rows else None
    return SortedPage([TaskKey(row[0]) for row in rows], last)


def total(tx: ReadTx, wanted: TaskFilter) -> int:
    """Counts the tasks that fit."""
    return int(tx.value("view_tasks_total", **wanted.parameters()))


def matches(tx: ReadTx, wanted: TaskFilter) -> Sequence[Match]:
    """Returns all tasks that fit, in the order of import."""
    return [_match(row) for row in tx.all("view_task_matches", **wanted.parameters())]


def matches_named(tx: ReadTx, task_ids: Sequence[str]) -> Sequence[Match]:
    """Returns the tasks with these ids, in the given order; unknown ids are skipped."""
    return [_match(row) for row in tx.all("view_task_matches_named", task_ids=json.dumps(task_ids))]


def waiting_for(tx: ReadTx, task_ids: Sequence[str], *, limit: int) -> Sequence[TaskKey]:
    """Returns the tasks that wait for one of these."""
    rows = tx.all("view_task_keys_waiting", task_ids=json.dumps(task_ids), limit=limit)
    return [TaskKey(row[0]) for row in rows]


def held(tx: ReadTx, *, limit: int) -> Sequence[TaskKey]:
    """Returns the tasks that workers hold, the longest held first."""
    return [TaskKey(row[0]) for row in tx.all("view_task_keys_held", limit=limit)]


def failed(tx: ReadTx, *, limit: int) -> Sequence[TaskKey]:
    """Returns the tasks that failed for good, the latest first."""
    return [TaskKey(row[0]) for row in tx.all("view_task_keys_failed", limit=limit)]


def usage_of_held(tx: ReadTx, *, limit: int) -> dict[str, Usage]:
    """Returns the usage of the tasks in progress, by id."""
    rows = tx.all("view_usage_of_held", limit=limit)
    return {task_id: Usage(*used) for task_id, *used in rows}


def _match(row: Row) -> Match:
    return Match(TaskKey(row[0]), row[1], TaskStatus(row[2]))
