"""What one look at the server brings: everything that the screen shows as of one moment.

The rule: a look costs the same however many tasks there are; the long list is a page of it, searched
and filtered by the server.
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

# More rows than these nobody reads; a search finds the others.
PAGE: Final = 500
FAILED_PAGE: Final = 50


class View(Enum):
    """What the table shows; the value is its title."""

    RUNNING = "running"
    TASKS = "tasks"
    FAILED = "failed"
    WORKERS = "workers"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Query:
    """Which tasks the list of all tasks shows; empty fits all."""

    search: str = ""
    status: TaskStatus.ValueType = TaskStatus.TASK_STATUS_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class ListPage:
    """A part of a list, and how long the whole is."""

    tasks: Sequence[Task] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class SwarmSnapshot:
    """The swarm as of one moment."""

    swarm: Swarm
    running: Sequence[Task]
    workers: Sequence[Worker]
    failed: ListPage
    tasks: ListPage
    query: Query


def take(stub: OperatorServiceStub, query: Query) -> SwarmSnapshot:
    """Asks the server."""
    board = fetch_board(stub)
    failed = _page(stub, Query(status=TaskStatus.TASK_STATUS_FAILED), FAILED_PAGE)
    return SwarmSnapshot(board.swarm, board.running, board.workers, failed, _page(stub, query, PAGE), query)


def _page(stub: OperatorServiceStub, query: Query, size: int) -> ListPage:
    statuses = [query.status] if query.status else []
    request = ListTasksRequest(statuses=statuses, search=query.search, page_size=size)
    answer = stub.ListTasks(request, timeout=DEADLINE_S)
    return ListPage(answer.tasks, answer.total)
