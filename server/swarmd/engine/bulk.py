"""One verb for many tasks: each on its own, so that what one refuses keeps no other from it.

A few are written at a time, so that other writes get their turn in between.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.errors import InvalidStatus, SwarmError, TaskNotFound
from swarmd.domain.lifecycle import DEAD, TaskStatus
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import retries
from swarmd.store import tasks
from swarmd.store.reads import pages
from swarmd.store.reads.pages import Match, TaskFilter
from swarmd.store.transaction import ReadTx

AT_ONCE: Final = 100
# What is about the one task; anything else is about the server.
_EXPECTED: Final = (InvalidStatus, TaskNotFound)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tasks: those that fit a filter, or those named."""

    filter: TaskFilter | None
    task_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class RefusedTask:
    """A task that was left as it is, and why."""

    task_id: str
    error: SwarmError


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What was done, or would be."""

    matched: int
    done: int
    refused: Sequence[RefusedTask]


def match(tx: ReadTx, choice: Choice) -> tuple[Sequence[Match], Sequence[RefusedTask]]:
    """The tasks that are chosen, and what of those named is not there."""
    if choice.filter is not None:
        return pages.matches(tx, choice.filter), []
    found = pages.matches_named(tx, choice.task_ids)
    known = {one.task_id for one in found}
    return found, [RefusedTask(name, TaskNotFound(name)) for name in choice.task_ids if name not in known]


async def kill(swarm: Swarm, choice: Choice, cause: str) -> BulkResult:
    """Ends them all for good."""
    found, missing = await swarm.db.read(partial(match, choice=choice))

    async def one(task_id: str) -> None:
        await swarm.db.write(partial(swarm.kills.kill, task_ids=[task_id], cause=cause), urgent=True)

    refused = await _each([task.task_id for task in found], one)
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


async def retry(swarm: Swarm, choice: Choice) -> BulkResult:
    """Gives them all a new start."""
    found, missing = await swarm.db.read(partial(match, choice=choice))

    async def one(task_id: str) -> None:
        await swarm.db.write(partial(retries.retry, task_ids=[task_id], failed=False))

    wanted = [task.task_id for task in found]
    refused = await _each(wanted, one)
    # One that was skipped for another of them may have it once that has a new start.
    while refused and len(refused) < len(wanted):
        wanted = [task.task_id for task in refused]
        refused = await _each(wanted, one)
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


def would_kill(tx: ReadTx, choice: Choice) -> BulkResult:
    """What `kill` would do now."""
    found, missing = match(tx, choice)
    over = (TaskStatus.COMPLETED, TaskStatus.FAILED)
    refused = [_refusal(task, "kill") for task in found if task.status in over]
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


def would_retry(tx: ReadTx, choice: Choice) -> BulkResult:
    """What `retry` would do now."""
    found, missing = match(tx, choice)
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


async def _each(task_ids: Sequence[str], one: Callable[[str], Awaitable[None]]) -> list[RefusedTask]:
    refused: list[RefusedTask] = []
    for begin in range(0, len(task_ids), AT_ONCE):
        chunk = task_ids[begin : begin + AT_ONCE]
        ended = await asyncio.gather(*map(one, chunk), return_exceptions=True)
        for task_id, error in zip(chunk, ended, strict=True):
            if isinstance(error, _EXPECTED):
                refused.append(RefusedTask(task_id, error))
            elif error is not None:
                raise error
    return refused
