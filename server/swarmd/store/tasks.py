"""Tasks as rows: where each is, and what decides its next step."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from swarmd.domain.lifecycle import FINAL, TaskStatus
from swarmd.domain.model import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_PRIORITY,
    DependencyFailurePolicy,
    FailureClass,
    PlannedTask,
    SwarmMode,
    Task,
    TaskDefinition,
    TaskKey,
)
from swarmd.store import definition_json
from swarmd.store.transaction import AS_STORED, ReadTx, Row, Tx, Value


@dataclass(frozen=True, slots=True)
class FreshTask:
    """A task that is new, with the place that it begins in."""

    key: TaskKey
    definition: TaskDefinition
    status: TaskStatus
    ready: bool
    unmet: int
    label_set_key: int
    dependencies: Sequence[TaskKey]


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to be claimed, and who gets none of it."""

    epoch: int
    mode: SwarmMode
    # The next attempt's key is one more.
    last_attempt: int
    # Grows with each new label set, so that a reader knows when to read them again.
    newest_label_set: int
    ready_label_sets: set[int]
    paused_runners: frozenset[str]


# Looked up: to ask an enum for its member costs as much as all the rest of a row.
_STATUSES: Final = {str(status): status for status in TaskStatus}
_POLICIES: Final = {str(policy): policy for policy in DependencyFailurePolicy}
_FAILURES: Final[dict[str | None, FailureClass | None]] = {
    None: None,
    **{str(failure): failure for failure in FailureClass},
}

# Sorts after every id that begins with what stands before it.
_LAST = "\U0010ffff"


def get(tx: ReadTx, key: TaskKey) -> Task:
    """The task of a key that came from the store."""
    row = tx.one("task_by_key", key=key)
    assert row is not None, f"task key {key} is gone"
    return read(row)


def find(tx: ReadTx, task_id: str) -> Task | None:
    """The task of that id."""
    row = tx.one("task_by_id", task_id=task_id)
    return None if row is None else read(row)


def name_of(tx: ReadTx, task_id: str) -> str:
    """The name of that task, empty if there is none."""
    return tx.value("task_name", task_id=task_id) or ""


def ids_from(tx: ReadTx, prefix: str, *, limit: int) -> list[str]:
    """The first ids that begin so."""
    return [row[0] for row in tx.all("task_ids_from", prefix=prefix, after=prefix + _LAST, limit=limit)]


def keys(tx: ReadTx) -> dict[str, tuple[TaskKey, TaskStatus]]:
    """Every task's key and status, by id."""
    return {task_id: (TaskKey(key), TaskStatus(status)) for task_id, key, status in tx.all("task_keys")}


def edges(tx: ReadTx) -> list[tuple[str, str]]:
    """Every dependency: who waits, for whom."""
    return [(row[0], row[1]) for row in tx.all("dependency_edges")]


def definition_text(tx: ReadTx, task_id: str) -> str:
    """The definition as it is stored, for comparing."""
    return str(tx.value("definition_by_id", task_id=task_id))


def export(tx: ReadTx) -> Sequence[PlannedTask]:
    """All tasks with their definitions, in the order of import."""
    return [
        PlannedTask(definition_json.decode(body), TaskStatus(status))
        for status, body in tx.rows("definition_all")
    ]


def first_held(tx: ReadTx) -> tuple[str, str, int] | None:
    """One task that a worker holds, its status, and how many there are."""
    row = tx.one("task_first_held")
    return None if row is None else (row[0], row[1], row[2])


def dependents(tx: Tx, key: TaskKey) -> Sequence[Task]:
    """The tasks that wait for this one."""
    found = [read(row) for row in tx.all("task_dependents", about=AS_STORED, key=key)]
    if tx.waits(task.key for task in found):
        found = [read(row) for row in tx.all("task_dependents", key=key)]
    return found


def with_status(tx: ReadTx, status: TaskStatus) -> Sequence[Task]:
    """All tasks with that status."""
    return [read(row) for row in tx.all("task_by_status", status=status)]


def count(tx: ReadTx, status: TaskStatus) -> int:
    """How many tasks have that status."""
    return int(tx.value("task_count_by_status", status=status))


def interrupted(tx: ReadTx) -> Sequence[Task]:
    """Those that emergency stops and drains have ended."""
    return [read(row) for row in tx.all("task_interrupted")]


def in_backoff(tx: ReadTx) -> Sequence[tuple[TaskKey, float]]:
    """Those that wait for their next attempt, with the seconds that they wait in all."""
    return [(TaskKey(key), backoff_s) for key, backoff_s in tx.all("task_in_backoff")]


def count_unmet(tx: ReadTx, key: TaskKey) -> int:
    """How many of its dependencies are not met, counted anew."""
    return int(tx.value("task_count_unmet", key=key))


def dead_dependency(tx: ReadTx, key: TaskKey) -> tuple[str, str] | None:
    """The first dependency that can't complete, with its status."""
    row = tx.one("task_dead_dependency", key=key)
    return None if row is None else (row[0], row[1])


def unmet_dependencies(tx: ReadTx, key: TaskKey) -> Sequence[tuple[str, TaskStatus]]:
    """The dependencies that have not completed, with their statuses."""
    return [(task_id, TaskStatus(status)) for task_id, status in tx.all("task_unmet_dependencies", key=key)]


def ready(tx: ReadTx, label_set: int, *, after: int, limit: int) -> Sequence[tuple[Task, int]]:
    """Those in line that ask for that set of labels, after so many that are known, each with its priority."""
    rows = tx.all("task_ready", label_set_key=label_set, after=after, limit=limit)
    return [(read(row), row[18]) for row in rows]


def offer(tx: ReadTx) -> Offer:
    """What there is to be claimed."""
    row = tx.one("task_offer")
    assert row is not None
    ready, paused = set(json.loads(row[4])), frozenset(json.loads(row[5]))
    return Offer(row[0], SwarmMode(row[1]), row[2], row[3], ready, paused)


def make_ready(tx: Tx, key: TaskKey) -> bool:
    """Ends the backoff of a task; False if it isn't in one any more."""
    return tx.run("task_make_ready", key=key, now_us=tx.now_us) > 0


def named(tx: ReadTx, ids: Iterable[str]) -> dict[str, tuple[TaskKey, TaskStatus]]:
    """Key and status, by id, of the tasks with these ids, also of those that differ in case alone."""
    rows = tx.all("task_named", ids=json.dumps(sorted({task_id.lower() for task_id in ids})))
    return {task_id: (TaskKey(key), TaskStatus(status)) for task_id, key, status in rows}


def last_key(tx: ReadTx) -> int:
    """The highest key that any task ever had."""
    return int(tx.value("task_last_key"))


def add_all(tx: Tx, fresh: Sequence[FreshTask]) -> None:
    """Stores new tasks with their dependencies, which may be among them."""
    tx.run_many("task_insert", (_fresh(task, tx.now_us) for task in fresh))
    tx.run_many(
        "definition_set",
        ({"key": task.key, "body": definition_json.encode(task.definition)} for task in fresh),
    )
    tx.run_many(
        "dependency_add",
        (
            {"task_key": task.key, "dependency_key": dependency, "position": position}
            for task in fresh
            for position, dependency in enumerate(task.dependencies)
        ),
    )


def redefine(tx: Tx, key: TaskKey, definition: TaskDefinition, *, label_set_key: int) -> None:
    """Changes what a task asks for, not where it is."""
    tx.run("task_redefine", key=key, label_set_key=label_set_key, **_shown(definition))
    tx.run("definition_set", key=key, body=definition_json.encode(definition))


def set_definition(tx: Tx, key: TaskKey, definition: TaskDefinition) -> None:
    """Stores another definition of which nothing else is shown or sorted by."""
    tx.run("definition_set", key=key, body=definition_json.encode(definition))


def clear(tx: Tx) -> int:
    """Removes all tasks with everything that belongs to them; returns how many there were."""
    removed = int(tx.value("task_count"))
    tx.run("task_clear")
    return removed


def set_dependencies(tx: Tx, key: TaskKey, dependencies: Sequence[TaskKey]) -> None:
    """Replaces the dependencies; the caller counts what is unmet."""
    tx.run("dependency_clear", key=key)
    tx.run_many(
        "dependency_add",
        (
            {"task_key": key, "dependency_key": dependency, "position": position}
            for position, dependency in enumerate(dependencies)
        ),
    )


def save(tx: Tx, task: Task) -> None:
    """Stores where the task is."""
    tx.later(
        "task_save",
        (task.key,),
        key=task.key,
        status=task.status,
        ready=task.ready,
        unmet=task.unmet,
        attempt=task.attempt,
        failures=task.failures,
        losses=task.losses,
        last_error=task.last_error,
        failure_class=task.failure_class,
        cause=task.cause,
        interrupted=task.interrupted,
        backoff_s=task.backoff_s,
        started_us=task.started_us,
        completed_us=task.completed_us,
        now_us=tx.now_us,
    )


def _fresh(task: FreshTask, now_us: int) -> dict[str, Value]:
    return {
        "key": task.key,
        "task_id": task.definition.task_id,
        "status": task.status,
        "ready": task.ready,
        "unmet": task.unmet,
        "label_set_key": task.label_set_key,
        "now_us": now_us,
        "completed_us": now_us if task.status in FINAL else None,
        **_shown(task.definition),
    }


def _shown(definition: TaskDefinition) -> dict[str, str | int | float | None]:
    """What a definition says that lists show and claims sort by, with the defaults filled in."""
    priority, max_retries = definition.priority, definition.max_retries
    return {
        "name": definition.name or definition.task_id,
        "phase": definition.phase,
        "type": definition.type,
        "priority": DEFAULT_PRIORITY if priority is None else priority,
        "estimated_hours": definition.estimated_hours,
        "policy": definition.on_dependency_failure or DependencyFailurePolicy.SKIP,
        "max_retries": DEFAULT_MAX_RETRIES if max_retries is None else max_retries,
    }


def read(row: Row) -> Task:
    """The task of a row that begins with its columns, in the order of `task_by_key`: that of its fields."""
    return Task._make((
        *row[:2], _STATUSES[row[2]], bool(row[3]), row[4], _POLICIES[row[5]], *row[6:11], _FAILURES[row[11]],
        row[12], bool(row[13]), *row[14:18],
    ))  # fmt: skip
