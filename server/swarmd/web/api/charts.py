"""The routes behind the dashboard's charts: status, workers, graph, timeline, throughput."""

from functools import partial
from typing import Any, Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.documents.workers import workers_document
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import SessionRole
from swarmd.store import events
from swarmd.store.reads import charts, pages
from swarmd.store.reads.charts import SessionBar, TimeBucket
from swarmd.store.reads.pages import TaskFilter
from swarmd.store.transaction import ReadTx
from swarmd.web.http.params import MAX_TEXT, Param, integer, moment
from swarmd.web.http.route import ApiRequest, AppState
from swarmd.wire import values

# More nodes than anybody can tell apart: phases are drawn in their place.
MAX_NODES: Final = 5_000
BUCKETS: Final = 60
_MINUTE_US: Final = 60_000_000
_HOUR_US: Final = 60 * _MINUTE_US
# Well within SQLite's integers.
_MAX_US: Final = 2**60


def _read_phase(place: str, given: Any) -> str | None:
    if not isinstance(given, str) or len(given) > MAX_TEXT:
        raise InvalidRequest(place, f"must be a string of at most {MAX_TEXT} characters")
    return given


ONE_PHASE: Final[Param[str | None]] = Param(
    "phase", "Only this phase; empty means the tasks without a phase.",
    {"type": "string", "maxLength": MAX_TEXT}, _read_phase, None,
)  # fmt: skip
SINCE: Final[Param[int | None]] = moment("since", "The begin; without it, an hour before the end.")
UNTIL: Final[Param[int | None]] = moment("until", "The end; without it, now.")
BARS: Final[Param[int]] = integer(
    "limit", "The most sessions to return; the newest are kept.", low=1, high=5_000, default=500
)
MINUTES: Final[Param[int]] = integer(
    "minutes", "The length of the period up to now, in minutes.", low=1, high=44_640, default=60
)


async def status(state: AppState, request: ApiRequest) -> Document:
    """Returns the status of the swarm."""
    return swarm_document(await state.reads.swarm())


async def workers(state: AppState, request: ApiRequest) -> Document:
    """Returns all workers that ever joined."""
    return {"workers": workers_document(await state.reads.workers())}


async def graph(state: AppState, request: ApiRequest) -> Document:
    """Returns the dependency graph of the tasks; for more than MAX_NODES tasks, that of their phases."""
    return await state.read_long(partial(_graph, phase=request.get(ONE_PHASE)))


async def timeline(state: AppState, request: ApiRequest) -> Document:
    """Returns the sessions of a period."""
    until_us = _or(request.get(UNTIL), state.swarm.clock.wall_us())
    since_us = _or(request.get(SINCE), until_us - _HOUR_US)
    read = partial(charts.sessions, since_us=since_us, until_us=until_us, limit=request.get(BARS))
    return {"sessions": [_bar(bar) for bar in reversed(await state.read_long(read))]}


async def throughput(state: AppState, request: ApiRequest) -> Document:
    """Returns ended attempts and median durations in sixty buckets up to now."""
    bucket_us = request.get(MINUTES) * _MINUTE_US // BUCKETS
    since_us = state.swarm.clock.wall_us() - BUCKETS * bucket_us
    read = partial(charts.throughput, since_us=since_us, bucket_us=bucket_us, buckets=BUCKETS)
    stretches = await state.read_long(read)
    return {"bucket_s": bucket_us / 1_000_000, "buckets": [_stretch(found) for found in stretches]}


def _graph(tx: ReadTx, phase: str | None) -> Document:
    seq = events.last_seq(tx)
    if phase is None and pages.total(tx, TaskFilter()) > MAX_NODES:
        counts = charts.phases(tx).items()
        return {
            "seq": seq,
            "phases": [{"phase": name or None, "counts": dict(found)} for name, found in counts],
            "edges": [[before or None, after or None, n] for before, after, n in charts.phase_edges(tx)],
        }
    nodes = charts.nodes(tx, phase)[:MAX_NODES]
    drawn = {node.task_id for node in nodes}
    return {
        "seq": seq,
        "nodes": [
            {"id": node.task_id, "name": node.name, "phase": node.phase or None, "status": node.status}
            for node in nodes
        ],
        "edges": [list(edge) for edge in charts.edges(tx, phase) if drawn.issuperset(edge)],
    }


def _bar(bar: SessionBar) -> Document:
    return {
        "task": bar.task_id,
        "attempt": bar.attempt,
        "role": bar.role,
        "worker": bar.worker,
        "started_at": values.iso(bar.started_us),
        "ended_at": values.iso(bar.ended_us),
        "status": bar.outcome,
    }


def _stretch(found: TimeBucket) -> Document:
    return {
        "at": values.iso(found.begin_us),
        "completed": found.completed,
        "failed": found.failed,
        "tasks_completed": found.tasks_completed,
        "tasks_failed": found.tasks_failed,
        "builder_median_s": _median_s(found, SessionRole.BUILDER),
        "validator_median_s": _median_s(found, SessionRole.VALIDATOR),
    }


def _median_s(found: TimeBucket, role: SessionRole) -> float | None:
    took_us = found.median_us.get(role)
    return None if took_us is None else took_us / 1_000_000


def _or(us: int | None, otherwise: int) -> int:
    return otherwise if us is None else max(-_MAX_US, min(us, _MAX_US))
