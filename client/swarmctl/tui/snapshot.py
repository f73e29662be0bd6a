"""A snapshot of the swarm: everything that the screen shows, as of one moment.

Invariant: the cost of a snapshot does not depend on the number of tasks. The list of all tasks is one page,
searched and filtered by the server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from amplifier_swarm.v1.operator_service_pb2 import ListTasksRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.swarm_pb2 import Swarm, Worker
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.render.live_board import fetch_board

# Nobody reads more rows; a search finds the others.
PAGE: Final = 500
ATTENTION_PAGE: Final = 50


class View(Enum):
    """The tables of the overview; each value is the title."""

    RUNNING = "running"
    TASKS = "tasks"
    ATTENTION = "attention"
    WORKERS = "workers"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Query:
    """The filter of the list of all tasks; an empty one matches all."""

    search: str = ""
    status: TaskStatus.ValueType = TaskStatus.TASK_STATUS_UNSPECIFIED


_HELD: Final = Query(status=TaskStatus.TASK_STATUS_HELD)
_FAILED: Final = Query(status=TaskStatus.TASK_STATUS_FAILED)


@dataclass(frozen=True, slots=True)
class ListPage:
    """A part of a list, and the length of the whole."""

    tasks: Sequence[Task] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class SwarmSnapshot:
    """The swarm as of one moment."""

    swarm: Swarm
    running: Sequence[Task]
    workers: Sequence[Worker]
    held: ListPage
    failed: ListPage
    tasks: ListPage
    query: Query


def fetch_snapshot(stub: OperatorServiceStub, query: Query) -> SwarmSnapshot:
    """Fetches a snapshot from the server."""
    board = fetch_board(stub)
    # An older server refuses the status, and counts no task of it.
    counted = {count.status for count in board.swarm.counts if count.count}
    some_held = TaskStatus.TASK_STATUS_HELD in counted
    return SwarmSnapshot(
        swarm=board.swarm,
        running=board.running,
        workers=board.workers,
        held=_page(stub, _HELD, ATTENTION_PAGE) if some_held else ListPage(),
        failed=_page(stub, _FAILED, ATTENTION_PAGE),
        tasks=_page(stub, query, PAGE),
        query=query,
    )


def _page(stub: OperatorServiceStub, query: Query, size: int) -> ListPage:
    statuses = [query.status] if query.status else []
    request = ListTasksRequest(statuses=statuses, search=query.search, page_size=size)
    answer = stub.ListTasks(request, timeout=DEADLINE_S)
    return ListPage(answer.tasks, answer.total)
