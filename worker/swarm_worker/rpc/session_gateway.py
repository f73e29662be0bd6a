"""Calls of sessions to the server, each with the session's own token: the worker lends its connection alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, BinaryIO, Final

import grpc
from google.protobuf.json_format import MessageToDict

from amplifier_swarm.errors import unpack
from amplifier_swarm.v1 import session_service_pb2 as wire
from swarm_worker.domain.people import PersonAnswer
from swarm_worker.domain.ports import AskedQuestion, SessionCallFailed
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.rpc.reporter import ARTIFACT_TIMEOUT_S, file_chunks
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, RetryBackoff

# A server that restarts is back within seconds. A session hears of a longer outage.
TRIES: Final = 8
RETRY_CAP_S: Final = 8.0
# Calls of sessions share the connection with heartbeats, so few run at a time; the others wait.
MAX_CALLS: Final = 16
# Calls that wait for people. A connection has at most 128 open calls.
MAX_WAITS: Final = 32
# The server answers such a call after this time at the latest.
ANSWER_WAIT_S: Final = 20.0
_PASSING: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class RpcSessionGateway:
    """A `ports.SessionGateway` over gRPC. Every call may be repeated, so what passes is tried again."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._calls = asyncio.Semaphore(MAX_CALLS)
        self._waits = asyncio.Semaphore(MAX_WAITS)

    async def set_progress(self, token: str, text: str, percent: int | None) -> None:
        request = wire.SetProgressRequest(text=text, percent=percent)
        await self._call(token, lambda stub, **options: stub.SetProgress(request, **options))

    async def file_task(
        self, token: str, texts: Mapping[str, str], lists: Mapping[str, Sequence[str]]
    ) -> Mapping[str, Any]:
        request = wire.FileTaskRequest(**texts, **lists)  # type: ignore[arg-type]  # the caller has the fields
        filed = await self._call(token, lambda stub, **options: stub.FileTask(request, **options))
        return {"task_id": filed.task_id, "held": filed.held}

    async def read_dependencies(self, token: str, task_id: str) -> Sequence[Mapping[str, Any]]:
        request = wire.ReadDependenciesRequest(task_id=task_id)
        found = await self._call(token, lambda stub, **options: stub.ReadDependencies(request, **options))
        return [MessageToDict(result, preserving_proto_field_name=True) for result in found.results]

    async def ask(self, token: str, text: str, options: Sequence[str]) -> AskedQuestion:
        request = wire.AskPersonRequest(text=text, options=options)
        asked = await self._call(token, lambda stub, **settings: stub.AskPerson(request, **settings))
        return AskedQuestion(asked.hold_id, asked.wait.ToNanoseconds() / 1e9)

    async def await_answer(self, token: str, hold_id: str, *, wait_s: float) -> PersonAnswer | None:
        request = wire.AwaitAnswerRequest(hold_id=hold_id)
        request.wait.FromMilliseconds(round(min(wait_s, ANSWER_WAIT_S) * 1_000))
        found = await self._call(
            token,
            lambda stub, **settings: stub.AwaitAnswer(request, **settings),
            timeout_s=ANSWER_WAIT_S + CALL_TIMEOUT_S,
            waits=True,
        )
        return PersonAnswer("", found.text, found.author) if found.answered else None

    async def add_artifact(self, token: str, name: str, file: BinaryIO, *, size: int) -> str:
        def upload(stub: Any, **options: Any) -> Awaitable[Any]:
            return stub.AddArtifact(_messages(name, file, size), **options)  # type: ignore[no-any-return]  # a stub

        stored = await self._call(token, upload, timeout_s=ARTIFACT_TIMEOUT_S)
        return str(stored.sha256)

    async def _call(
        self,
        token: str,
        method: Callable[..., Awaitable[Any]],
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        waits: bool = False,
    ) -> Any:
        metadata = (("authorization", f"Bearer {token}"),)
        backoff = RetryBackoff(cap_s=RETRY_CAP_S)
        for number in range(1, TRIES + 1):
            try:
                async with self._waits if waits else self._calls:
                    return await method(self._connection.sessions, metadata=metadata, timeout=timeout_s)
            except grpc.RpcError as error:
                failed = unpack(error)
                if failed.code is grpc.StatusCode.UNIMPLEMENTED:
                    raise SessionCallFailed(
                        "the server is older than this worker, and takes no calls of sessions"
                    ) from None
                if failed.code not in _PASSING or number == TRIES:
                    faults = "".join(f"; {found.message}" for found in failed.violations)
                    raise SessionCallFailed(f"{failed.message}{faults}", failed.reason) from None
            await asyncio.sleep(backoff.next_s())
        raise AssertionError("the last try returns")


async def _messages(name: str, file: BinaryIO, size: int) -> AsyncIterator[wire.AddArtifactRequest]:
    yield wire.AddArtifactRequest(name=name, size=size)
    async for chunk in file_chunks(file, size):
        yield wire.AddArtifactRequest(chunk=chunk)
