"""Actions on many tasks, in batches: a refusal of one task leaves the others alone.

Invariant: no write of a bulk action concerns more than BATCH_TASKS tasks, so an emergency stop never waits long.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Generic, NamedTuple, TypeVar

from swarmd.domain.errors import InvalidStatus, TaskNotFound
from swarmd.domain.lifecycle import DEAD, TaskStatus
from swarmd.domain.model import TaskId, TaskKey
from swarmd.domain.refused_task import TASK_ERRORS, RefusedTask
from swarmd.domain.retry_terms import PLAIN_RETRY, RetryTerms
from swarmd.engine.attempts.swarm_control import HINTED_NAMES, SwarmControl
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import landing_orders, lookup, retrying
from swarmd.store import tasks
from swarmd.store.reads import pages, views
from swarmd.store.reads.pages import Match, TaskFilter
from swarmd.store.reads.views import TaskView
from swarmd.store.transaction import ReadTx, Tx

T = TypeVar("T")

# Performance: SQLite's cost of a statement grows with the transaction, so 20,000 kills in one write take minutes.
BATCH_TASKS: Final = 100


@dataclass(frozen=True, slots=True)
class TaskSelection:
    """The selected tasks: those that match the filter, or those named."""

    filter: TaskFilter | None
    task_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The counts and refusals of a bulk action, or of its preview."""

    matched: int
    done: int
    refused: Sequence[RefusedTask]


@dataclass(frozen=True, slots=True)
class ActionBatch:
    """A batch of an action: the tasks as they are after it, and the refused names."""

    tasks: Sequence[TaskView]
    refused: Sequence[RefusedTask]
    # The number of tasks that are no longer skipped because of a retry.
    revived: int = 0
    # The tasks that a retry has put back, since they had built on the others.
    dependents: Sequence[TaskId] = ()
    # The tasks that an order to land left as they are, and the number of tasks that wait because of the others.
    unchanged: Sequence[TaskView] = ()
    waiting: int = 0


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
    missing = [RefusedTask(name, TaskNotFound(name)) for name in selection.task_ids if name not in known]
    return Matched(found, missing)


async def kill(swarm: Swarm, selection: TaskSelection, cause: str) -> BulkResult:
    """Kills the selected tasks."""
    found, missing = await swarm.db.read(partial(match, selection=selection))
    return await _count(found, missing, kill_named(swarm, [task.task_id for task in found], cause))


async def retry(swarm: Swarm, selection: TaskSelection) -> BulkResult:
    """Retries the selected tasks."""
    found, missing = await swarm.db.read(partial(match, selection=selection))
    return await _count(found, missing, retry_named(swarm, [task.task_id for task in found]))


async def kill_named(swarm: Swarm, names: Sequence[str], cause: str) -> AsyncIterator[ActionBatch]:
    """Kills the tasks of these names, a batch in each write. A name may be the beginning of an id."""
    for batch in _batches(names):
        kill = partial(_kill_batch, control=swarm.control, names=batch, cause=cause)
        yield await swarm.db.write(kill, urgent=True)


async def retry_named(
    swarm: Swarm, names: Sequence[str], *, terms: RetryTerms = PLAIN_RETRY, actor: str = ""
) -> AsyncIterator[ActionBatch]:
    """Retries the tasks of these names, dependencies first. A name may be the beginning of an id.

    A skipped task may be retried once the task that it was skipped for is reopened, so the refused names are tried
    again for as long as that helps.
    """
    wanted = await swarm.db.read(partial(_dependencies_first, names=list(dict.fromkeys(names))))
    while wanted:
        refused: list[RefusedTask] = []
        for batch in _batches(wanted):
            done = await _retry_batch(swarm, batch, terms=terms, actor=actor)
            refused += done.refused
            yield replace(done, refused=())
        if not refused or len(refused) == len(wanted):
            yield ActionBatch((), refused)
            return
        wanted = [task.task_id for task in refused]


async def land_named(swarm: Swarm, names: Sequence[str]) -> AsyncIterator[ActionBatch]:
    """Orders the landing of the accepted work of these tasks, dependencies first.

    A name may be the beginning of an id.
    """
    wanted = await swarm.db.read(partial(_dependencies_first, names=list(dict.fromkeys(names))))
    for batch in _batches(wanted):
        land = partial(landing_orders.land, with_hint=len(batch) <= HINTED_NAMES)
        done, refused = await _write_each(swarm, batch, land)
        reopened = [order.key for order in done if order.reopened]
        rest = [order.key for order in done if not order.reopened]
        yield ActionBatch(
            await swarm.db.read(partial(views.tasks, keys=reopened)),
            refused,
            unchanged=await swarm.db.read(partial(views.tasks, keys=rest)),
            waiting=sum(order.waiting for order in done),
        )


async def change_named(
    swarm: Swarm, names: Sequence[str], change: Callable[..., TaskKey]
) -> AsyncIterator[ActionBatch]:
    """Calls `change(tx, name, with_hint=…)` for each task of these names, each in a write of its own."""
    for batch in _batches(names):
        done, refused = await _write_each(swarm, batch, partial(change, with_hint=len(names) <= HINTED_NAMES))
        yield ActionBatch(await swarm.db.read(partial(views.tasks, keys=done)), refused)


async def preview_retry_named(
    swarm: Swarm, names: Sequence[str], *, terms: RetryTerms
) -> AsyncIterator[ActionBatch]:
    """Yields what a retry of each of these tasks would put back now, and changes nothing."""
    for batch in _batches(names):
        done: list[retrying.RetryResult] = []
        refused: list[RefusedTask] = []
        for name in batch:
            try:
                done.append(await swarm.db.read(partial(retrying.preview, name=name, terms=terms)))
            except TASK_ERRORS as error:
                refused.append(RefusedTask(name, error))
        found = await swarm.db.read(partial(views.tasks, keys=[result.key for result in done]))
        yield ActionBatch(found, refused, 0, [each for result in done for each in result.dependents])


def failed_ids(tx: ReadTx) -> Sequence[str]:
    """Returns the ids of all failed tasks, in the order of import."""
    return [task.task_id for task in tasks.with_status(tx, TaskStatus.FAILED)]


def preview_kill(tx: ReadTx, selection: TaskSelection) -> BulkResult:
    """Returns the result that `kill` would have now."""
    found, missing = match(tx, selection)
    ended = (TaskStatus.COMPLETED, TaskStatus.FAILED)
    refused = [_refusal(task, "kill") for task in found if task.status in ended]
    return BulkResult(len(found), len(found) - len(refused), [*missing, *refused])


def preview_retry(tx: ReadTx, selection: TaskSelection) -> BulkResult:
    """Returns the result that `retry` would have now."""
    found, missing = match(tx, selection)
    started = {t.task_id for t in found if t.status in retrying.RETRIED}
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


async def _count(
    found: Sequence[Match], missing: Sequence[RefusedTask], batches: AsyncIterator[ActionBatch]
) -> BulkResult:
    done, refused = 0, list(missing)
    async for batch in batches:
        done += len(batch.tasks)
        refused += batch.refused
    return BulkResult(len(found), done, refused)


def _kill_batch(tx: Tx, *, control: SwarmControl, names: Sequence[str], cause: str) -> ActionBatch:
    result = control.kill(tx, names, cause)
    return ActionBatch(views.tasks(tx, result.keys), result.refused)


async def _retry_batch(swarm: Swarm, names: Sequence[str], *, terms: RetryTerms, actor: str) -> ActionBatch:
    retry = partial(retrying.retry, terms=terms, actor=actor, with_hint=len(names) <= HINTED_NAMES)
    done, refused = await _write_each(swarm, names, retry)
    # Read after the commit, which may have claimed some of them.
    found = await swarm.db.read(partial(views.tasks, keys=[result.key for result in done]))
    revived = sum(result.revived for result in done)
    return ActionBatch(found, refused, revived, [each for result in done for each in result.dependents])


class _Written(NamedTuple, Generic[T]):
    """The results of the writes that were not refused, and the refusals of the others."""

    done: Sequence[T]
    refused: Sequence[RefusedTask]


async def _write_each(swarm: Swarm, names: Sequence[str], write: Callable[..., T]) -> _Written[T]:
    """Calls `write` for each name in a write of its own: a task can be refused after the write has changed tasks."""
    writes = [swarm.db.write(partial(write, name=name)) for name in names]
    done: list[T] = []
    refused: list[RefusedTask] = []
    for name, ended in zip(names, await asyncio.gather(*writes, return_exceptions=True), strict=True):
        if isinstance(ended, TASK_ERRORS):
            refused.append(RefusedTask(name, ended))
        elif isinstance(ended, BaseException):
            raise ended
        else:
            done.append(ended)
    return _Written(done, refused)


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    unique = list(dict.fromkeys(names))
    for start in range(0, len(unique), BATCH_TASKS):
        yield unique[start : start + BATCH_TASKS]


def _dependencies_first(tx: ReadTx, *, names: Sequence[str]) -> list[str]:
    """Returns the names in their order, but a task after those of its dependencies that are named too.

    A task whose policy is `run` would start too early if it were reopened before its dependency.
    """
    by_id = {_id_of(tx, name): name for name in names}
    ordered: dict[str, None] = {}
    for first in by_id:
        stack = [first]
        while stack:
            task_id = stack[-1]
            task = tasks.find(tx, task_id)
            needed = views.definition(tx, task.key).dependencies if task is not None else ()
            missing = [name for name in needed if name in by_id and name not in ordered]
            if task_id in ordered or not missing:
                ordered.setdefault(stack.pop())
            else:
                stack += missing
    return [by_id[task_id] for task_id in ordered]


def _id_of(tx: ReadTx, name: str) -> str:
    """Returns the id that the name stands for; the name itself if the retry will refuse it."""
    try:
        return lookup.resolve(tx, name, with_hint=False).task_id
    except TASK_ERRORS:
        return name


def _dead_dependencies(tx: ReadTx, task: Match) -> Iterator[str]:
    for task_id, status in tasks.unmet_dependencies(tx, task.key):
        if status in DEAD:
            yield task_id


def _refusal(task: Match, doing: str) -> RefusedTask:
    return RefusedTask(task.task_id, InvalidStatus(task.task_id, task.status, doing=doing))
