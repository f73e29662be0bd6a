"""SessionService: adapters from the calls of running sessions to the engine and back.

Invariant: no call names a task or a lease of its own. Both come from the session's token.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import grpc

from amplifier_swarm.masking import masked
from amplifier_swarm.text import strip_terminal_drawing
from amplifier_swarm.v1 import session_service_pb2 as pb
from amplifier_swarm.v1 import session_service_pb2_grpc as pb_grpc
from swarmd.domain.artifacts import ArtifactUpload, name_problem
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.follow_ups import FollowUp
from swarmd.domain.holds import MAX_OPTIONS
from swarmd.engine.live.wakeups import question_subject
from swarmd.engine.swarm import Swarm
from swarmd.rpc import claims, reports
from swarmd.rpc.auth import SESSION
from swarmd.wire import values

MAX_WAIT_S: Final = 20.0

Context = grpc.aio.ServicerContext[Any, Any]


class SessionService(pb_grpc.SessionServiceServicer):
    """The servicer: each method converts the request, calls the engine, converts the result."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._calls = swarm.session_calls

    async def SetProgress(self, request: pb.SetProgressRequest, context: Context) -> pb.SetProgressResponse:
        percent = request.percent if request.HasField("percent") else None
        text = masked(strip_terminal_drawing(request.text))
        write = partial(self._calls.set_progress, grant=SESSION.get(), text=text, percent=percent)
        await self._swarm.db.write(write)
        return pb.SetProgressResponse()

    async def FileTask(self, request: pb.FileTaskRequest, context: Context) -> pb.FileTaskResponse:
        wanted = FollowUp(
            masked(request.name),
            masked(request.description),
            acceptance_criteria=tuple(
                map(masked, reports.bounded(request.acceptance_criteria, "acceptance_criteria"))
            ),
            files=tuple(reports.bounded(request.files, "files")),
            checks=tuple(reports.bounded(request.checks, "checks")),
            dependencies=tuple(reports.bounded(request.dependencies, "dependencies")),
        )
        filed = await self._swarm.db.write(partial(self._calls.file_task, grant=SESSION.get(), wanted=wanted))
        return pb.FileTaskResponse(task_id=filed.task_id, held=filed.held)

    async def AskPerson(self, request: pb.AskPersonRequest, context: Context) -> pb.AskPersonResponse:
        text, options = masked(request.text), tuple(map(masked, request.options[: MAX_OPTIONS + 1]))
        write = partial(self._calls.ask, grant=SESSION.get(), text=text, options=options)
        asked = await self._swarm.db.write(write)
        return pb.AskPersonResponse(hold_id=asked.hold_id, wait=values.duration(asked.wait_s))

    async def AwaitAnswer(self, request: pb.AwaitAnswerRequest, context: Context) -> pb.AwaitAnswerResponse:
        read = partial(self._calls.answer_to, grant=SESSION.get(), hold_id=request.hold_id)
        wait_s = min(max(0.0, values.seconds(request.wait)), MAX_WAIT_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while True:
                    answered = self._swarm.wakeups.wait_next(question_subject(request.hold_id))
                    if (hold := await self._swarm.db.read(read)) is not None:
                        return pb.AwaitAnswerResponse(answered=True, text=hold.answer, author=hold.ended_by)
                    await answered
        hold = await self._swarm.db.read(read)
        if hold is None:
            return pb.AwaitAnswerResponse()
        return pb.AwaitAnswerResponse(answered=True, text=hold.answer, author=hold.ended_by)

    async def ReadDependencies(
        self, request: pb.ReadDependenciesRequest, context: Context
    ) -> pb.ReadDependenciesResponse:
        read = partial(self._calls.dependencies, grant=SESSION.get(), task_id=request.task_id)
        found = await self._swarm.db.read(read)
        return pb.ReadDependenciesResponse(results=claims.dependency_results(found))

    async def AddArtifact(
        self, request_iterator: AsyncIterator[pb.AddArtifactRequest], context: Context
    ) -> pb.AddArtifactResponse:
        first = await anext(request_iterator, None)
        if first is None:
            raise InvalidRequest("name", "is missing; send it in the first message")
        if (problem := name_problem(first.name)) is not None:
            raise InvalidRequest("name", problem)
        if first.size < 0:
            raise InvalidRequest("size", "must not be negative")
        grant = SESSION.get()
        upload = ArtifactUpload(grant.lease.worker, "", first.name, first.size)
        find = partial(self._calls.attempt, grant=grant)
        answer = await self._swarm.artifacts.store(
            upload, reports.chunks(first, request_iterator), attempt=find
        )
        return pb.AddArtifactResponse(sha256=answer.sha256)
