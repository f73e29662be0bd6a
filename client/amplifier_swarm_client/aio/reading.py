"""The verbs that read."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import (
    BackupRequest,
    DiffTaskRequest,
    ExplainTaskRequest,
    ExportTasksRequest,
    GetArtifactRequest,
    GetSwarmRequest,
    GetTaskRequest,
    ListArtifactsRequest,
    ListInboxRequest,
    ListTasksRequest,
    ListWorkersRequest,
    TailLogRequest,
)
from amplifier_swarm_client import types
from amplifier_swarm_client.aio import streams, waits
from amplifier_swarm_client.aio.connection import CallConnection
from amplifier_swarm_client.aio.paging import pages
from amplifier_swarm_client.convert import number_of, value_of, word_of
from amplifier_swarm_client.endpoint import find_endpoint
from amplifier_swarm_client.errors import Misconfigured
from amplifier_swarm_client.results import TaskLogLine
from amplifier_swarm_client.settings import ConnectionSettings
from amplifier_swarm_client.timeouts import PATIENCE_S
from amplifier_swarm_client.transport import AioTransport


class Reader:
    """A connection to a swarm, and what can be read of it."""

    def __init__(self, endpoint: Endpoint, *, patience_s: float = PATIENCE_S) -> None:
        self._connection = CallConnection(AioTransport(endpoint), patience_s=patience_s)
        self._first = CallConnection(AioTransport(endpoint), patience_s=0)

    @classmethod
    def connect(cls, server: str = "", *, patience_s: float = PATIENCE_S, **settings: Any) -> Self:
        """Returns a client of the server; `with` makes the first call.

        `settings` are the fields of ConnectionSettings: `token`, `token_file`, `tls_ca`, `tls_ca_fingerprint`,
        `tls_cert`, `tls_key`. What is not given comes from the variables that swarmctl reads, else from the project of
        the working directory. A call is repeated for `patience_s` seconds while the server is away, if that is safe.

        Raises:
            Misconfigured: A setting is wrong, or there is no token.
        """
        try:
            found = ConnectionSettings.from_environment(server=server, **settings)
            return cls(find_endpoint(found), patience_s=patience_s)
        except ProgramExit as error:
            raise Misconfigured(error.message, hint=error.hint) from error

    async def __aenter__(self) -> Self:
        # A wrong address or token is reported at once, and not waited for.
        try:
            await self._first.call("GetSwarm", GetSwarmRequest())
        except BaseException:
            await self.close()
            raise
        finally:
            await self._first.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all open calls and closes the connection."""
        await self._connection.close()

    async def status(self) -> types.SwarmState:
        """Returns the swarm as a whole."""
        answer = await self._connection.call("GetSwarm", GetSwarmRequest())
        return value_of(answer.swarm, types.SwarmState)

    async def get(self, task_id: str) -> types.TaskDetail:
        """Returns a task with its definition, attempts, holds and notes. Any unique beginning of the id will do."""
        answer = await self._connection.call("GetTask", GetTaskRequest(task_id=task_id))
        return value_of(answer, types.TaskDetail)

    async def list(
        self, *, statuses: Iterable[types.TaskStatus | str] = (), phase: str = "", search: str = ""
    ) -> AsyncGenerator[types.Task, None]:
        """Yields the tasks that match, in the order of import; pages are fetched on demand."""
        numbers: Any = [number_of(types.TaskStatus, status) for status in statuses]
        request = ListTasksRequest(statuses=numbers, phase=phase, search=search)
        async with aclosing(pages(self._connection, request)) as found:
            async for task in found:
                yield value_of(task, types.Task)

    async def explain(self, task_id: str) -> types.Explanation:
        """Says why a task is where it is."""
        answer = await self._connection.call("ExplainTask", ExplainTaskRequest(task_id=task_id))
        return value_of(answer, types.Explanation)

    async def inbox(self) -> types.Inbox:
        """Returns what waits for a person, the most urgent first."""
        return value_of(await self._connection.call("ListInbox", ListInboxRequest()), types.Inbox)

    async def workers(self) -> tuple[types.Worker, ...]:
        """Returns the workers, by name."""
        answer = await self._connection.call("ListWorkers", ListWorkersRequest())
        return tuple(value_of(worker, types.Worker) for worker in answer.workers)

    async def export(self) -> AsyncGenerator[types.PlannedTask, None]:
        """Yields all tasks as they would be imported, as of one moment."""
        stream = self._connection.stream("ExportTasks", ExportTasksRequest())
        async with aclosing(stream):
            async for answer in stream:
                for task in answer.tasks:
                    yield value_of(task, types.PlannedTask)

    async def diff(self, task_id: str, *, attempt: int = 0) -> types.Diff:
        """Returns what an attempt did to the files, with the patch; 0 for the latest that reported a change."""
        request = DiffTaskRequest(task_id=task_id, attempt=attempt)
        return value_of(await self._connection.call("DiffTask", request), types.Diff)

    async def artifacts(self, task_id: str, *, attempt: int = 0) -> tuple[types.Artifact, ...]:
        """Returns the files that attempts left for people; 0 for those of all attempts."""
        request = ListArtifactsRequest(task_id=task_id, attempt=attempt)
        answer = await self._connection.call("ListArtifacts", request)
        return tuple(value_of(artifact, types.Artifact) for artifact in answer.artifacts)

    async def artifact(self, task_id: str, name: str, *, attempt: int = 0) -> AsyncGenerator[bytes, None]:
        """Yields the content of one of these files in parts."""
        request = GetArtifactRequest(task_id=task_id, name=name, attempt=attempt)
        stream = self._connection.stream("GetArtifact", request)
        async with aclosing(stream):
            async for answer in stream:
                if answer.chunk:
                    yield answer.chunk

    async def backup(self) -> AsyncGenerator[bytes, None]:
        """Yields the whole database as of one moment, in parts. An iteration that ends without an error is complete."""
        stream = self._connection.stream("Backup", BackupRequest())
        async with aclosing(stream):
            async for answer in stream:
                yield answer.chunk

    async def logs(
        self,
        task_id: str,
        *,
        follow: bool = False,
        role: types.SessionRole | str = "",
        attempt: int = 0,
        tail: int = 0,
        after_cursor: int = 0,
    ) -> AsyncGenerator[TaskLogLine, None]:
        """Yields the output of the task's sessions; with `follow` until the task has ended, also after outages.

        `attempt` 0 is the latest. `tail` begins with the newest entries of each session; 0 means all that are kept.
        """
        request = TailLogRequest(
            task_id=task_id,
            role=number_of(types.SessionRole, role),
            attempt=attempt,
            follow=follow,
            tail=tail,
            after_cursor=after_cursor,
        )
        await self.get(task_id)
        answers = streams.log(self._connection, request)
        async with aclosing(answers):
            async for answer in answers:
                for entry in answer.entries:
                    found = value_of(entry, types.LogEntry)
                    yield TaskLogLine(
                        session_id=answer.session_id,
                        role=word_of(types.SessionRole, answer.role),
                        attempt=answer.attempt,
                        cursor=found.cursor,
                        logged_at=found.logged_at,
                        kind=found.kind,
                        text=found.text,
                    )

    async def events(self, *, after: int = 0, task_id: str = "") -> AsyncGenerator[types.Event, None]:
        """Yields the events after one that are kept, up to the latest; with `task_id` those of one task."""
        batches = streams.events(self._connection, after=after, task_id=task_id, follow=False)
        async with aclosing(batches):
            async for batch in batches:
                for event in batch:
                    yield value_of(event, types.Event)

    async def watch(
        self, *, after: int | None = None, task_id: str = ""
    ) -> AsyncGenerator[types.Event, None]:
        """Yields events without end, and goes on after outages: each once, in order.

        `after` is the number of the last event seen; None means from now on, 0 all that are kept.
        """
        start = await waits.last_seq(self._connection) if after is None else after
        batches = streams.events(self._connection, after=start, task_id=task_id)
        async with aclosing(batches):
            async for batch in batches:
                for event in batch:
                    yield value_of(event, types.Event)

    async def wait(
        self, task_ids: Iterable[str] | None = None, *, timeout_s: float | None = None
    ) -> tuple[types.Task, ...]:
        """Waits until the tasks have ended; None waits until no task of the swarm can start or end by itself.

        Returns the tasks that were waited for; all tasks of the swarm for None. Held tasks have not ended.

        Raises:
            WaitTimedOut: The time is over.
        """
        if task_ids is None:
            await waits.wait_for_swarm(self._connection, timeout_s=timeout_s)
            return tuple([task async for task in self.list()])
        names = list(dict.fromkeys(task_ids))
        found = await waits.wait_for_tasks(self._connection, names, waits.ENDED, timeout_s=timeout_s)
        return tuple(value_of(answer.task, types.Task) for answer in found)
