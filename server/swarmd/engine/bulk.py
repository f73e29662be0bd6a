"""Bulk actions: the same action on many tasks, each task in a write of its own.

A refusal of one task leaves the others alone. Writes are queued in batches, so that others get their turn.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from swarmd.domain.errors import InvalidStatus, SwarmError, TaskNotFound
from swarmd.domain.lifecycle import DEAD, TaskStatus
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import retries
from swarmd.store import tasks
from swarmd.store.reads import pages
from swarmd.store.reads.pages import Match, TaskFilter
from swarmd.store.transaction import ReadTx

BATCH_TASKS: Final = 100
# Errors about one task; any other error is about the server.
_EXPECTED: Final = (InvalidStatus, TaskNotFound)


@dataclass(frozen=True, slots=True)
class TaskSelection:
    """The selected tasks: those that match the filter, or those named."""

    filter: TaskFilter | None
    task_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class RefusedTask:
    """A task that was left unchanged, and the reason."""

    task_id: str
    error: SwarmError


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The counts and refusals of a bulk action, or of its preview."""

    matched: int
    done: int
    refused: Sequence[RefusedTask]


class Matched(NamedTuple):
    """The selected tasks that exist, and the refusals of those that don't."""

    tasks: Sequence[Match]
    missing: Sequence[RefusedTask]


def match(tx: ReadTx, selection: TaskSelection) -> Matched:
    """Returns the selected tasks, and a refusal for each name that is unknown."""
    if selection.filter is not None:
        return Matched(pages.matches(tx, selection.filter), [])
    found = pages.matches_named(tx, selection.task_ids)
    known = {one.task_id for one in found}
    return Matched(
        found, [RefusedTask(name, TaskNotFound(name)) for name in selection.task_ids if name not in known]
    )


async def kill(swarm: Swarm, selection: TaskSelection, cause: str) -> BulkResult:
    """Kills the selected tasks."""
    found, missing = await swarm.db.read(partial(match, selection=selection))

    async def one(task_id: str) -> None:
        await swarm.db.write(partial(swarm.kills.kill, task_ids=[task_id], cause=cause), urgent=True)

    refused = await _apply_to_each([task.task_id for task in found], one)
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


async def retry(swarm: Swarm, selection: TaskSelection) -> BulkResult:
    """Retries the selected tasks."""
    found, missing = await swarm.db.read(partial(match, selection=selection))

    async def one(task_id: str) -> None:
        await swarm.db.write(partial(retries.retry, task_ids=[task_id], failed=False))

    wanted = [task.task_id for task in found]
    refused = await _apply_to_each(wanted, one)
    # A skipped task may be retried once the task that it was skipped for is reopened.
    while refused and len(refused) < len(wanted):
        wanted = [task.task_id for task in refused]
        refused = await _apply_to_each(wanted, one)
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


def preview_kill(tx: ReadTx, selection: TaskSelection) -> BulkResult:
    """Returns the result that `kill` would have now."""
    found, missing = match(tx, selection)
    ended = (TaskStatus.COMPLETED, TaskStatus.FAILED)
    refused = [_refusal(task, "kill") for task in found if task.status in ended]
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


def preview_retry(tx: ReadTx, selection: TaskSelection) -> BulkResult:
    """Returns the result that `retry` would have now."""
    found, missing = match(tx, selection)
    started = {t.task_id for t in found if t.status in (TaskStatus.FAILED, TaskStatus.KILLED)}
    skipped = [task for task in found if task.status is TaskStatus.SKIPPED]
    waiting = {task.task_id: set(_dead_dependencies(tx, task)) for task in skipped}
    while ready := [task_id for task_id, dead in waiting.items() if dead <= started]:
        started.update(ready)
        for task_id in ready:
            del waiting[task_id]
    refused = [
        _refusal(task, "retry")
        for task in found
        if task.status is TaskStatus.COMPLETED or task.task_id in waiting
    ]
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


def _dead_dependencies(tx: ReadTx, task: Match) -> Iterator[str]:
    for task_id, status in tasks.unmet_dependencies(tx, task.key):
        if status in DEAD:
            yield task_id


def _refusal(task: Match, doing: str) -> RefusedTask:
    return RefusedTask(task.task_id, InvalidStatus(task.task_id, task.status, doing=doing))


async def _apply_to_each(task_ids: Sequence[str], one: Callable[[str], Awaitable[None]]) -> list[RefusedTask]:
    refused: list[RefusedTask] = []
    for begin in range(0, len(task_ids), BATCH_TASKS):
        chunk = task_ids[begin : begin + BATCH_TASKS]
        ended = await asyncio.gather(*map(one, chunk), return_exceptions=True)
        for task_id, error in zip(chunk, ended, strict=True):
            if isinstance(error, _EXPECTED):
                refused.append(RefusedTask(task_id, error))
            elif error is not None:
                raise error
    return refused
