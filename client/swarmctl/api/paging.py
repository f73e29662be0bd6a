"""Lists that the server sends in pages."""

from collections.abc import Iterator, Sequence
from itertools import islice

from amplifier_swarm.v1.operator_service_pb2 import ListTasksRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl.api.timeouts import DEADLINE_S

# The server's limit for a page.
PAGE_SIZE = 1_000


class TaskList:
    """The tasks that match a request, fetched page by page on demand."""

    def __init__(
        self,
        stub: OperatorServiceStub,
        *,
        statuses: Sequence[TaskStatus.ValueType] = (),
        phase: str = "",
        search: str = "",
    ) -> None:
        self._stub = stub
        self._request = ListTasksRequest(statuses=statuses, phase=phase, search=search)
        # The number of matching tasks; known after the first page.
        self.total = 0

    def first(self, limit: int) -> list[Task]:
        """Returns the first `limit` tasks; all of them for 0."""
        return list(islice(self._tasks(limit), limit or None))

    def _tasks(self, limit: int) -> Iterator[Task]:
        self._request.page_size = min(limit or PAGE_SIZE, PAGE_SIZE)
        self._request.page_token = ""
        while True:
            page = self._stub.ListTasks(self._request, timeout=DEADLINE_S)
            self.total = page.total
            yield from page.tasks
            if not page.next_page_token:
                return
            self._request.page_token = page.next_page_token
