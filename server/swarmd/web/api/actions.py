"""The routes that act on a task, on many tasks, on workers and on the whole swarm."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.stops import ordered, stopped_document
from amplifier_swarm.documents.swarm import resumed_document, swarm_document
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.documents.workers import worker_document, workers_document
from amplifier_swarm.v1.operator_service_pb2 import RetryTaskRequest, RetryTerms
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.landing import StartPoint
from swarmd.domain.workspaces import RetryFrom
from swarmd.engine import bulk
from swarmd.engine.bulk import BulkResult, TaskSelection
from swarmd.store.reads.pages import TaskFilter
from swarmd.web.api.tasks import PHASE, STATUS, Q
from swarmd.web.http.params import Param, choice, flag, integer, number, text
from swarmd.web.http.route import ApiRequest, AppState
from swarmd.wire import enums
from swarmd.wire.actions import MAX_CAUSE, MAX_DEADLINE_S, MAX_IDS

# More refusals than anybody reads; the counts include the others.
SHOWN_REFUSALS: Final = 1_000
MAX_ATTEMPT: Final = 2**31 - 1


class RetryOnly(StrEnum):
    """The parts of an attempt that a retry may run alone."""

    VALIDATOR = StartPoint.VALIDATOR.value
    CHECKS = StartPoint.CHECKS.value


CAUSE: Final[Param[str]] = text("cause", "Why, for the log.", limit=MAX_CAUSE)
ONLY: Final[Param[RetryOnly | None]] = choice(
    "only",
    "Judges the work that is there again, without a builder: by its checks, or by its validator too.",
    RetryOnly,
)
DEADLINE_S: Final[Param[float | None]] = number(
    "deadline_s", "How long running tasks may go on before they are killed; without it, until they end.",
    high=MAX_DEADLINE_S,
)  # fmt: skip
REQUEUE: Final[Param[bool]] = flag("requeue", "Retries the tasks that emergency stops and drains have ended.")
ATTEMPT: Final[Param[int]] = integer(
    "attempt", "The attempt whose late result is to count.", high=MAX_ATTEMPT, default=0
)
DEPENDENCY: Final[Param[str]] = text("dependency", "The task to wait for.")
DRY_RUN: Final[Param[bool]] = flag("dry_run", "Only reports what would be done.")
COMPLETED: Final[Param[bool]] = flag("completed", "Runs a completed task again; its work stays where it is.")
WITH_DEPENDENTS: Final[Param[bool]] = flag("with_dependents", "Puts back too what has built on the task.")
FROM: Final[Param[RetryFrom | None]] = choice(
    "from", "What the next attempt in a clone starts from.", RetryFrom
)


def _read_ids(place: str, given: Any) -> Sequence[str]:
    if (
        not isinstance(given, list)
        or len(given) > MAX_IDS
        or not all(isinstance(task_id, str) for task_id in given)
    ):
        raise InvalidRequest(place, f"must be a list of at most {MAX_IDS:,} ids")
    return list(dict.fromkeys(given))


def _read_filter(place: str, given: Any) -> TaskFilter:
    known = {field.name: field for field in (STATUS, PHASE, Q)}
    if not isinstance(given, Mapping) or not known.keys() >= given.keys():
        raise InvalidRequest(place, f"must be an object with some of {', '.join(known)}")
    found: dict[str, Any] = {
        name: field.read(f"{place}.{name}", given[name]) if name in given else field.default
        for name, field in known.items()
    }
    return TaskFilter(found[STATUS.name], found[PHASE.name], found[Q.name])


IDS: Final[Param[Sequence[str]]] = Param(
    "ids", "These tasks.", {"type": "array", "items": {"type": "string"}, "maxItems": MAX_IDS}, _read_ids, ()
)
FILTER: Final[Param[TaskFilter | None]] = Param(
    "filter", "All tasks that fit, as GET /api/tasks reads it; an empty one fits all.",
    {"type": "object", "properties": {field.name: field.schema for field in (STATUS, PHASE, Q)},
     "additionalProperties": False},
    _read_filter, None,
)  # fmt: skip


async def kill(state: AppState, request: ApiRequest) -> Document:
    """Kills a task; the response does not wait for the kill receipt, which the task gets later."""
    killed = await state.actions.kill([request.path["id"]], request.get(CAUSE))
    return task_document(killed.tasks[0])


async def retry(state: AppState, request: ApiRequest) -> Document:
    """Retries a task, or reports what that would put back."""
    only = request.get(ONLY)
    asked = RetryTaskRequest(
        task_ids=[request.path["id"]],
        terms=RetryTerms(
            completed=request.get(COMPLETED),
            with_dependents=request.get(WITH_DEPENDENTS),
            starts_at=enums.START_POINT.to_wire(None if only is None else StartPoint(only)),
            retry_from=enums.RETRY_FROM.to_wire(request.get(FROM)),
        ),
        dry_run=request.get(DRY_RUN),
    )
    retried = await state.actions.retry(asked, actor=request.actor)
    return {**task_document(retried.tasks[0]), "put_back": list(retried.dependent_ids)}


async def land(state: AppState, request: ApiRequest) -> Document:
    """Orders the landing of a task's kept work."""
    answer = await state.actions.land([request.path["id"]])
    return task_document([*answer.tasks, *answer.unchanged][0])


async def accept(state: AppState, request: ApiRequest) -> Document:
    """Lets a result that came too late count after all."""
    return task_document(await state.actions.accept(request.path["id"], request.get(ATTEMPT)))


async def depend(state: AppState, request: ApiRequest) -> Document:
    """Adds a dependency to a task that has not begun."""
    task_id, other = request.path["id"], request.get(DEPENDENCY)
    return task_document(await state.actions.change_dependency(task_id, other, remove=False))


async def undepend(state: AppState, request: ApiRequest) -> Document:
    """Removes a dependency from a task that has not begun."""
    task_id, other = request.path["id"], request.path["dependency"]
    return task_document(await state.actions.change_dependency(task_id, other, remove=True))


async def forget(state: AppState, request: ApiRequest) -> Document:
    """Declares the machine of a worker gone."""
    return {"task_ids": list((await state.actions.forget(request.path["name"])).task_ids)}


async def kill_many(state: AppState, request: ApiRequest) -> Document:
    """Kills many tasks, or reports what that would do."""
    selection = _choice(request)
    if request.get(DRY_RUN):
        return _bulk_document(await state.read_long(partial(bulk.preview_kill, selection=selection)))
    return _bulk_document(await bulk.kill(state.swarm, selection, request.get(CAUSE)))


async def retry_many(state: AppState, request: ApiRequest) -> Document:
    """Retries many tasks, or reports what that would do."""
    selection = _choice(request)
    if request.get(DRY_RUN):
        return _bulk_document(await state.read_long(partial(bulk.preview_retry, selection=selection)))
    return _bulk_document(await bulk.retry(state.swarm, selection))


async def drain(state: AppState, request: ApiRequest) -> Document:
    """Drains a worker: it finishes its tasks and exits."""
    [worker] = await state.actions.drain(request.path["name"], request.get(DEADLINE_S))
    return worker_document(worker)


async def shut_down(state: AppState, request: ApiRequest) -> Document:
    """Drains all workers."""
    return {"workers": workers_document(await state.actions.drain(None, request.get(DEADLINE_S)))}


async def pause(state: AppState, request: ApiRequest) -> Document:
    """Pauses the swarm: no task is claimed until a resume."""
    return swarm_document(await state.actions.pause(request.get(CAUSE)))


async def stop(state: AppState, request: ApiRequest) -> Document:
    """Stops everything; the tasks get their kill receipts later."""
    return stopped_document(ordered(await state.actions.stop(request.get(CAUSE))))


async def resume(state: AppState, request: ApiRequest) -> Document:
    """Ends every pause and stop."""
    return resumed_document(await state.actions.resume(requeue=request.get(REQUEUE)))


def _choice(request: ApiRequest) -> TaskSelection:
    wanted, ids = request.get(FILTER), request.get(IDS)
    if (wanted is None) == (not ids):
        raise InvalidRequest("filter", "give either a filter or ids")
    return TaskSelection(wanted, ids)


def _bulk_document(result: BulkResult) -> Document:
    return {
        "matched": result.matched,
        "done": result.done,
        "refused": [
            {"id": found.task_id, "reason": found.error.reason, "message": found.error.message}
            for found in result.refused[:SHOWN_REFUSALS]
        ],
    }
