"""The routes that act: on one task, on many, on workers, on the swarm as a whole."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.stops import ordered, stopped_document
from amplifier_swarm.documents.swarm import resumed_document, swarm_document
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.documents.workers import worker_document, workers_document
from swarmd.domain.errors import InvalidRequest
from swarmd.engine import bulk
from swarmd.engine.bulk import BulkResult, Choice
from swarmd.store.reads.pages import TaskFilter
from swarmd.web.api.tasks import PHASE, STATUS, Q
from swarmd.web.http.params import Param, flag, number, text
from swarmd.web.http.route import ApiRequest, AppState
from swarmd.wire.actions import MAX_CAUSE, MAX_DEADLINE_S

MAX_IDS: Final = 100_000
# More refusals than anybody reads; the counts tell of the others.
SHOWN_REFUSALS: Final = 1_000

CAUSE: Final[Param[str]] = text("cause", "Why, for the log.", limit=MAX_CAUSE)
DEADLINE_S: Final[Param[float | None]] = number(
    "deadline_s", "How long what runs may still run before it is killed; as long as it takes without it.",
    high=MAX_DEADLINE_S,
)  # fmt: skip
REQUEUE: Final[Param[bool]] = flag("requeue", "Retries what emergency stops and drains have ended.")
DRY_RUN: Final[Param[bool]] = flag("dry_run", "Only says what would be done.")


def _read_ids(place: str, given: Any) -> Sequence[str]:
    if not isinstance(given, list) or len(given) > MAX_IDS or not all(isinstance(one, str) for one in given):
        raise InvalidRequest(place, f"must be a list of ids, at most {MAX_IDS:,}")
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


async def kill(site: AppState, ask: ApiRequest) -> Document:
    """Ends a task; the answer does not wait for the proof, the task tells of it."""
    [task] = await site.verbs.kill([ask.path["id"]], ask.of(CAUSE))
    return task_document(task)


async def retry(site: AppState, ask: ApiRequest) -> Document:
    """Gives a task a new start."""
    retried = await site.verbs.retry([ask.path["id"]], failed=False)
    return task_document(retried.tasks[0])


async def kill_many(site: AppState, ask: ApiRequest) -> Document:
    """Ends many tasks, or says what that would do."""
    choice = _choice(ask)
    if ask.of(DRY_RUN):
        return _bulk_document(await site.read_long(partial(bulk.would_kill, choice=choice)))
    return _bulk_document(await bulk.kill(site.swarm, choice, ask.of(CAUSE)))


async def retry_many(site: AppState, ask: ApiRequest) -> Document:
    """Gives many tasks a new start, or says what that would do."""
    choice = _choice(ask)
    if ask.of(DRY_RUN):
        return _bulk_document(await site.read_long(partial(bulk.would_retry, choice=choice)))
    return _bulk_document(await bulk.retry(site.swarm, choice))


async def drain(site: AppState, ask: ApiRequest) -> Document:
    """Tells a worker to finish and to exit."""
    [worker] = await site.verbs.drain(ask.path["name"], ask.of(DEADLINE_S))
    return worker_document(worker)


async def shut_down(site: AppState, ask: ApiRequest) -> Document:
    """Tells all workers to finish and to exit."""
    return {"workers": workers_document(await site.verbs.drain(None, ask.of(DEADLINE_S)))}


async def pause(site: AppState, ask: ApiRequest) -> Document:
    """Gives no claims from now on."""
    return swarm_document(await site.verbs.pause(ask.of(CAUSE)))


async def stop(site: AppState, ask: ApiRequest) -> Document:
    """Stops everything; the receipts follow in the tasks."""
    return stopped_document(ordered(await site.verbs.stop(ask.of(CAUSE))))


async def resume(site: AppState, ask: ApiRequest) -> Document:
    """Ends every pause and stop."""
    return resumed_document(await site.verbs.resume(requeue=ask.of(REQUEUE)))


def _choice(ask: ApiRequest) -> Choice:
    fits, ids = ask.of(FILTER), ask.of(IDS)
    if (fits is None) == (not ids):
        raise InvalidRequest("filter", "give either a filter or ids")
    return Choice(fits, ids)


def _bulk_document(result: BulkResult) -> Document:
    return {
        "matched": result.matched,
        "done": result.done,
        "refused": [
            {"id": one.task_id, "reason": one.error.reason, "message": one.error.message}
            for one in result.refused[:SHOWN_REFUSALS]
        ],
    }
