"""Lists that the server sends in pages."""

from collections.abc import AsyncGenerator
from typing import Final

from amplifier_swarm.v1.operator_service_pb2 import ListTasksRequest, ListTasksResponse
from amplifier_swarm.v1.task_pb2 import Task
from amplifier_swarm_client.aio.connection import CallConnection

# The server's limit for a page.
PAGE_SIZE: Final = 1_000


async def pages(connection: CallConnection, request: ListTasksRequest) -> AsyncGenerator[Task, None]:
    """Yields the tasks that match, fetched page by page on demand."""
    request.page_size = request.page_size or PAGE_SIZE
    while True:
        page: ListTasksResponse = await connection.call("ListTasks", request)
        for task in page.tasks:
            yield task
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
