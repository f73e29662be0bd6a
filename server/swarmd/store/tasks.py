"""Tasks as rows: their status and the values that decide their next step."""

import json
from collections.abc import Iterable, Sequence
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.landing import StartPoint
from swarmd.domain.lifecycle import FINAL, TaskStatus
from swarmd.domain.model import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_PRIORITY,
    DependencyFailurePolicy,
    FailureClass,
    SwarmMode,
    Task,
    TaskKey,
)
from swarmd.domain.workspaces import RetryFrom
from swarmd.store import definition_json, exclusive_names
from swarmd.store.task_records import (
    DependencyEdge,
    DependencyStatus,
    HeldTask,
    NewTask,
    Offer,
    ReadyGroup,
    ReadyTask,
    RunnerGate,
    TaskBackoff,
    TaskState,
)
from swarmd.store.transaction import IGNORE_DEFERRED, ReadTx, Row, Tx, Value

# Performance: the look-up in an enum costs as much as the rest of a row (docs/performance.md).
_STATUSES: Final = {str(status): status for status in TaskStatus}
_POLICIES: Final = {str(policy): policy for policy in DependencyFailurePolicy}
_FAILURES: Final[dict[str | None, FailureClass | None]] = {None: None} | {str(x): x for x in FailureClass}
_STARTS: Final = {str(start): start for start in StartPoint}
_SOURCES: Final = {str(source or ""): source for source in (None, *RetryFrom)}
_POINTS: Final = {str(point or ""): point for point in (None, *ApprovalPoint)}

# Sorts after every character of an id.
_LAST: Final = "\U0010ffff"


def get(tx: ReadTx, key: TaskKey) -> Task:
    """Returns the task with a key that came from the store."""
    row = tx.one("task_by_key", key=key)
    assert row is not None, f"task key {key} is gone"
    return from_row(row)


def find(tx: ReadTx, task_id: str) -> Task | None:
    """Returns the task with that id, None if there is none."""
    row = tx.one("task_by_id", task_id=task_id)
    return None if row is None else from_row(row)


def name(tx: ReadTx, task_id: str) -> str:
    """Returns the name of the task, empty if the id is unknown."""
    return tx.value("task_name", task_id=task_id) or ""


def ids_with_prefix(tx: ReadTx, prefix: str, *, limit: int) -> list[str]:
    """Returns the first ids that begin with the prefix."""
    return [row[0] for row in tx.all("task_ids_from", prefix=prefix, after=prefix + _LAST, limit=limit)]


def states(tx: ReadTx) -> dict[str, TaskState]:
    """Returns key and status of every task, by id."""
    return _states(tx.all("task_keys"))


def edges(tx: ReadTx) -> list[DependencyEdge]:
    """Returns every dependency."""
    return [DependencyEdge._make(row) for row in tx.all("dependency_edges")]


def definition_text(tx: ReadTx, task_id: str) -> str:
    """Returns the stored JSON of the definition, for comparisons."""
    return str(tx.value("definition_by_id", task_id=task_id))


def export(tx: ReadTx) -> Sequence[PlannedTask]:
    """Returns all tasks with their definitions, in the order of import."""
    rows = tx.rows("definition_all")
    return [PlannedTask(definition_json.decode(body), TaskStatus(status)) for status, body in rows]


def first_held(tx: ReadTx) -> HeldTask | None:
    """Returns the first task that a worker holds, None if no task is held."""
    row = tx.one("task_first_held")
    return None if row is None else HeldTask(row[0], TaskStatus(row[1]), row[2])


def dependents(tx: Tx, key: TaskKey) -> Sequence[Task]:
    """Returns the tasks that depend on this one.

    Performance: most dependents have no deferred write, so the first read forces no flush (docs/performance.md).
    """
    found = [from_row(row) for row in tx.all("task_dependents", subject=IGNORE_DEFERRED, key=key)]
    if tx.has_deferred(task.key for task in found):
        found = [from_row(row) for row in tx.all("task_dependents", key=key)]
    return found


def with_status(tx: ReadTx, status: TaskStatus) -> Sequence[Task]:
    """Returns all tasks with that status."""
    return [from_row(row) for row in tx.all("task_by_status", status=status)]


def count(tx: ReadTx, status: TaskStatus) -> int:
    """Returns the number of tasks with that status."""
    return int(tx.value("task_count_by_status", status=status))


def interrupted(tx: ReadTx) -> Sequence[Task]:
    """Returns the tasks that emergency stops and drains have ended."""
    return [from_row(row) for row in tx.all("task_interrupted")]


def in_backoff(tx: ReadTx) -> Sequence[TaskBackoff]:
    """Returns the tasks that wait for their next attempt."""
    return [TaskBackoff._make(row) for row in tx.all("task_in_backoff")]


def count_unmet(tx: ReadTx, key: TaskKey) -> int:
    """Counts the unmet dependencies of the task."""
    return int(tx.value("task_count_unmet", key=key))


def dead_dependency(tx: ReadTx, key: TaskKey) -> DependencyStatus | None:
    """Returns the first dependency that can no longer complete, None if all can."""
    row = tx.one("task_dead_dependency", key=key)
    return None if row is None else DependencyStatus(row[0], TaskStatus(row[1]))


def unmet_dependencies(tx: ReadTx, key: TaskKey) -> Sequence[DependencyStatus]:
    """Returns the dependencies that have not completed, in the order of the definition."""
    rows = tx.all("task_unmet_dependencies", key=key)
    return [DependencyStatus(task_id, TaskStatus(status)) for task_id, status in rows]


def ready(tx: ReadTx, group: ReadyGroup, *, after: int, limit: int) -> Sequence[ReadyTask]:
    """Returns the claimable tasks of that group, the best first; skips the first `after` of them."""
    label_set, wait_key = group
    rows = tx.all("task_ready", label_set_key=label_set, wait_key=wait_key, after=after, limit=limit)
    return [ReadyTask(from_row(row), row[-3], bool(row[-2]), wait_key, bool(row[-1])) for row in rows]


def offer(tx: ReadTx) -> Offer:
    """Returns the present offer; it costs one look-up in an index for each group."""
    [row] = tx.all("task_offer")
    epoch, mode, last_attempt, newest_label_set, label_sets, waiting, unfunded, gates, budgets = row
    groups = [*((key,) for key in json.loads(label_sets)), *json.loads(waiting), *json.loads(unfunded)]
    ready = {ReadyGroup(*group) for group in groups}
    closed = [RunnerGate(*gate) for gate in json.loads(gates)]
    return Offer(epoch, SwarmMode(mode), last_attempt, newest_label_set, ready, closed, bool(budgets))


def make_ready(tx: Tx, key: TaskKey) -> bool:
    """Ends the backoff of a task; returns False if it is in none."""
    return tx.run("task_make_ready", key=key, now_us=tx.now_us) > 0


def states_ignoring_case(tx: ReadTx, ids: Iterable[str]) -> dict[str, TaskState]:
    """Returns key and status, by id, of the tasks whose ids are equal to these except for case."""
    return _states(tx.all("task_named", ids=json.dumps(sorted({task_id.lower() for task_id in ids}))))


def last_key(tx: ReadTx) -> int:
    """Returns the highest key of any task, removed ones included."""
    return int(tx.value("task_last_key"))


def add_all(tx: Tx, new: Sequence[NewTask]) -> None:
    """Stores new tasks with their dependencies, which may be among them."""
    tx.run_many("task_insert", (_inserted(task, tx.now_us) for task in new))
    tx.run_many("definition_set", ({"key": t.key, "body": definition_json.encode(t.definition)} for t in new))
    tx.run_many(
        "dependency_add",
        (
            {"task_key": task.key, "dependency_key": dependency, "position": position}
            for task in new
            for position, dependency in enumerate(task.dependencies)
        ),
    )


def redefine(tx: Tx, key: TaskKey, definition: TaskDefinition, *, label_set_key: int) -> None:
    """Replaces the definition of a task; its status stays."""
    tx.run("task_redefine", key=key, label_set_key=label_set_key, **_columns_of(definition))
    tx.run("definition_set", key=key, body=definition_json.encode(definition))


def set_definition(tx: Tx, key: TaskKey, definition: TaskDefinition) -> None:
    """Replaces the stored definition only; use it when no column of the task changes."""
    tx.run("definition_set", key=key, body=definition_json.encode(definition))


def clear(tx: Tx) -> int:
    """Removes all tasks with their attempts, results, exclusive names and plans; returns the number of tasks."""
    removed = int(tx.value("task_count"))
    tx.run("task_clear")
    exclusive_names.clear(tx)
    tx.run("budget_clear_plans")
    return removed


def set_dependencies(tx: Tx, key: TaskKey, dependencies: Sequence[TaskKey]) -> None:
    """Replaces the dependencies; the caller sets the number of unmet ones."""
    tx.run("dependency_clear", key=key)
    tx.run_many(
        "dependency_add",
        (
            {"task_key": key, "dependency_key": dependency, "position": position}
            for position, dependency in enumerate(dependencies)
        ),
    )


def save(tx: Tx, task: Task) -> None:
    """Stores the changed values of the task."""
    tx.defer(
        "task_save",
        (task.key,),
        key=task.key,
        status=task.status,
        ready=task.ready,
        unmet=task.unmet,
        attempt=task.attempt,
        failures=task.failures,
        losses=task.losses,
        landing_failures=task.landing_failures,
        last_error=task.last_error,
        failure_class=task.failure_class,
        cause=task.cause,
        interrupted=task.interrupted,
        backoff_s=task.backoff_s,
        started_us=task.started_us,
        completed_us=task.completed_us,
        starts_at=task.starts_at,
        work_of=task.work_of,
        approved=task.approved or "",
        retry_from=task.retry_from or "",
        now_us=tx.now_us,
    )


def _states(rows: Iterable[Row]) -> dict[str, TaskState]:
    return {task_id: TaskState(TaskKey(key), TaskStatus(status)) for task_id, key, status in rows}


def _inserted(task: NewTask, now_us: int) -> dict[str, Value]:
    return {
        "key": task.key,
        "task_id": task.definition.task_id,
        "status": task.status,
        "ready": task.ready,
        "unmet": task.unmet,
        "label_set_key": task.label_set_key,
        "now_us": now_us,
        "completed_us": now_us if task.status in FINAL else None,
        **_columns_of(task.definition),
    }


def _columns_of(definition: TaskDefinition) -> dict[str, str | int | float | None]:
    """Returns the columns that come from a definition, with the defaults filled in."""
    priority, max_retries = definition.priority, definition.max_retries
    return {
        "name": definition.name or definition.task_id,
        "phase": definition.phase,
        "type": definition.type,
        "priority": DEFAULT_PRIORITY if priority is None else priority,
        "estimated_hours": definition.estimated_hours,
        "policy": definition.on_dependency_failure or DependencyFailurePolicy.SKIP,
        "max_retries": DEFAULT_MAX_RETRIES if max_retries is None else max_retries,
        "exclusive": bool(definition.exclusive or definition.files),
        "approve": definition.approve or "",
        "max_cost_nano": definition.max_cost_nano,
        "max_tokens": definition.max_tokens,
    }


def from_row(row: Row) -> Task:
    """Returns the task of a row that begins with the `task_columns` of queries.sql."""
    (
        key, task_id, status, ready, unmet, policy, max_retries, attempt, failures, losses, landing_failures,
        last_error, failure_class, cause, interrupted, backoff_s, started_us, completed_us, ready_us, starts_at,
        work_of, creation, approve, approved, max_cost_nano, max_tokens, retry_from, *_,
    ) = row  # fmt: skip
    return Task(
        key, task_id, _STATUSES[status], bool(ready), unmet, _POLICIES[policy], max_retries, attempt, failures,
        losses, landing_failures, last_error, _FAILURES[failure_class], cause, bool(interrupted), backoff_s, started_us,
        completed_us, ready_us, _STARTS[starts_at], work_of, creation, _POINTS[approve], _POINTS[approved],
        max_cost_nano, max_tokens, _SOURCES[retry_from],
    )  # fmt: skip
