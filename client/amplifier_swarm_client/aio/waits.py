"""Waits for the ends of tasks, by events."""

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from typing import Final

from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.operator_service_pb2 import (
    EmergencyStopResponse,
    GetSwarmRequest,
    GetSwarmResponse,
    GetTaskRequest,
    GetTaskResponse,
    ListTasksRequest,
    ListWorkersRequest,
)
from amplifier_swarm.v1.swarm_pb2 import WorkerStatus
from amplifier_swarm.v1.task_pb2 import TaskStatus
from amplifier_swarm_client.aio import streams
from amplifier_swarm_client.aio.connection import CallConnection
from amplifier_swarm_client.aio.paging import pages
from amplifier_swarm_client.errors import WaitTimedOut
from amplifier_swarm_client.timeouts import Deadline

ENDED: Final = frozenset(
    {
        TaskStatus.TASK_STATUS_COMPLETED,
        TaskStatus.TASK_STATUS_FAILED,
        TaskStatus.TASK_STATUS_KILLED,
        TaskStatus.TASK_STATUS_SKIPPED,
    }
)
_OUT_OF_REACH: Final = frozenset({WorkerStatus.WORKER_STATUS_SUSPECT, WorkerStatus.WORKER_STATUS_GONE})
_SILENCE: Final = frozenset(
    {EventKind.EVENT_KIND_WORKER_SUSPECT, EventKind.EVENT_KIND_WORKER_LOST, EventKind.EVENT_KIND_WORKER_LEFT}
)


async def last_seq(connection: CallConnection) -> int:
    """Returns the number of the last event."""
    answer: GetSwarmResponse = await connection.call("GetSwarm", GetSwarmRequest())
    return answer.swarm.last_event_seq


async def wait_for_tasks(
    connection: CallConnection,
    names: Collection[str],
    statuses: Collection[TaskStatus.ValueType],
    *,
    timeout_s: float | None,
) -> list[GetTaskResponse]:
    """Waits until each task has one of the statuses; returns them as they then are, in the order of the names.

    Raises:
        WaitTimedOut: The time is over.
    """
    deadline = Deadline(timeout_s)
    after = await last_seq(connection)
    found = {name: await _task(connection, name) for name in names}
    by_id = {answer.task.task_id: name for name, answer in found.items()}
    waited_for = {task for task, name in by_id.items() if found[name].task.status not in statuses}
    if waited_for:
        stream = streams.events(connection, after=after, within_s=deadline.remaining_s())
        async with aclosing(stream):
            async for batch in stream:
                for event in batch:
                    if event.task_id in waited_for and event.status in statuses:
                        waited_for.discard(event.task_id)
                        found[by_id[event.task_id]] = await _task(connection, event.task_id)
                if not waited_for:
                    break
    if waited_for:
        raise WaitTimedOut(sorted(waited_for), timeout_s=timeout_s or 0.0)
    return list(found.values())


async def wait_for_swarm(connection: CallConnection, *, timeout_s: float | None) -> None:
    """Waits until no task of the swarm can start or end by itself.

    Raises:
        WaitTimedOut: The time is over.
    """
    answer: GetSwarmResponse = await connection.call("GetSwarm", GetSwarmRequest())
    if answer.swarm.done:
        return
    stream = streams.events(connection, after=answer.swarm.last_event_seq, within_s=timeout_s)
    async with aclosing(stream):
        async for batch in stream:
            if any(_may_be_last(event) for event in batch):
                answer = await connection.call("GetSwarm", GetSwarmRequest())
                if answer.swarm.done:
                    return
    running = [
        task.task_id async for task in pages(connection, ListTasksRequest()) if task.status not in ENDED
    ]
    raise WaitTimedOut(running, timeout_s=timeout_s or 0.0)


def _may_be_last(event: Event) -> bool:
    return event.status in ENDED or event.status == TaskStatus.TASK_STATUS_HELD or not event.task_id


async def stopped_tasks(
    connection: CallConnection,
    answer: EmergencyStopResponse,
    silent: set[str],
    *,
    within_s: float,
    on_wait: Callable[[int], None] = lambda _workers: None,
) -> AsyncGenerator[GetTaskResponse, None]:
    """Yields each task whose sessions an emergency stop ends, when they are proven gone.

    It ends when each task that is left is held by a worker out of reach, or when the time is over. `silent` has these
    workers; it is kept up to date. `on_wait` is called with the number of the workers that are waited for.
    """
    silent |= {worker.worker for worker in answer.workers if not worker.reachable}
    request = ListTasksRequest(statuses=[TaskStatus.TASK_STATUS_KILLING])
    waited_for = {task.task_id: task.worker async for task in pages(connection, request)}
    for task_id in answer.killing:
        if task_id not in waited_for:
            yield await _task(connection, task_id)
    if waited_for:
        workers = await connection.call("ListWorkers", ListWorkersRequest())
        silent |= {worker.name for worker in workers.workers if worker.status in _OUT_OF_REACH}
    if set(waited_for.values()) <= silent:
        return
    on_wait(len(set(waited_for.values()) - silent))
    stream = streams.events(connection, after=answer.swarm.last_event_seq, within_s=within_s)
    async with aclosing(stream):
        async for batch in stream:
            for task_id in _proven(batch, waited_for, silent):
                yield await _task(connection, task_id)
            if set(waited_for.values()) <= silent:
                return


def _proven(batch: Sequence[Event], waited_for: dict[str, str], silent: set[str]) -> list[str]:
    """Removes the tasks that are killed, and returns them; keeps the silent workers up to date."""
    proven = []
    for event in batch:
        if event.status == TaskStatus.TASK_STATUS_KILLED and event.task_id in waited_for:
            del waited_for[event.task_id]
            proven.append(event.task_id)
        elif event.kind in _SILENCE:
            silent.add(event.worker)
        elif event.kind == EventKind.EVENT_KIND_WORKER_JOINED:
            silent.discard(event.worker)
    return proven


async def _task(connection: CallConnection, task_id: str) -> GetTaskResponse:
    answer: GetTaskResponse = await connection.call("GetTask", GetTaskRequest(task_id=task_id))
    return answer
