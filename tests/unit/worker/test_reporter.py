"""The reporter: progress goes with an outcome, and never keeps the outcome from the server."""

import asyncio
from typing import Any, cast

import grpc
from grpc.aio import AioRpcError, Metadata

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from support.waiting import eventually
from swarm_worker.domain.model import LogKind, SessionLogLine, SessionStart
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.rpc.reporter import MAX_LANDING_CALLS, Reporter
from swarm_worker.rpc.retry import OutageLog
from swarm_worker.rpc.session_reporter import RpcSessionReporter

START = SessionStart("lease", SessionId("s1"), Role.BUILDER, "command")  # type: ignore[arg-type]
FINISHED = wire.FinishedAttempt(
    lease_id="lease",
    outcome=task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_COMPLETED),
    ends=[wire.SessionRecord(lease_id="lease", session_id="s1", end=wire.SessionEnd(exit_code=0))],
)


class Service:
    """A fake connection whose server may refuse progress and ends that come with an outcome."""

    metadata = ()

    def __init__(self, *, refuses: bool) -> None:
        self.service = self
        self.finished: list[wire.FinishTaskRequest] = []
        self.reported: list[wire.ReportProgressRequest] = []
        self._refuses = refuses

    async def FinishTask(  # noqa: N802  # the wire's name
        self, request: wire.FinishTaskRequest, **_: Any
    ) -> wire.FinishTaskResponse:
        self.finished.append(request)
        if self._refuses and (request.sessions or any(item.ends for item in request.finished)):
            raise AioRpcError(grpc.StatusCode.INVALID_ARGUMENT, Metadata(), Metadata(), "no")
        return wire.FinishTaskResponse(results=[wire.FinishResult()] * len(request.finished))

    async def ReportProgress(  # noqa: N802  # the wire's name
        self, request: wire.ReportProgressRequest, **_: Any
    ) -> wire.ReportProgressResponse:
        self.reported.append(request)
        return wire.ReportProgressResponse()


async def _finish(service: Service) -> None:
    reporter = Reporter("w", service, outages=OutageLog("here:1"))  # type: ignore[arg-type]
    RpcSessionReporter(reporter).report_log(START, SessionLogLine(LogKind.WORKER, "well"), number=1)
    sending = asyncio.create_task(reporter.outcomes.run())
    await reporter.outcomes.request(FINISHED)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    reporting = asyncio.create_task(reporter.progress.run())
    await reporter.progress.flush(5)
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)


async def test_the_last_log_entries_go_with_the_outcome() -> None:
    service = Service(refuses=False)

    await _finish(service)

    [request] = service.finished
    assert [entry.text for session in request.sessions for entry in session.entries] == ["well"]
    assert request.finished[0].ends == FINISHED.ends
    assert service.reported == []


async def test_an_outcome_is_sent_alone_if_the_server_refuses_its_progress() -> None:
    service = Service(refuses=True)

    await _finish(service)

    [_, alone] = service.finished
    assert alone.finished[0].outcome == FINISHED.outcome
    assert not alone.sessions
    assert not alone.finished[0].ends
    [reported] = service.reported
    assert reported.sessions[0].entries[0].text == "well"


class _Queue:
    """A fake connection on which every request for the right to land waits."""

    metadata = ()

    def __init__(self) -> None:
        self.service = self
        self.open = 0
        self.turn = asyncio.Event()

    async def LandTask(  # noqa: N802  # the wire's name
        self, request: wire.LandTaskRequest, **_: Any
    ) -> wire.LandTaskResponse:
        self.open += 1
        await self.turn.wait()
        self.open -= 1
        return wire.LandTaskResponse(granted=True)


async def test_requests_for_the_right_to_land_leave_room_for_heartbeats_on_the_connection() -> None:
    queue = _Queue()
    reporter = Reporter("w", cast("Any", queue), outages=OutageLog("server"))
    calls = [asyncio.create_task(reporter.request_landing(f"lease {n}")) for n in range(200)]

    await eventually(lambda: queue.open >= MAX_LANDING_CALLS, "the first requests are open")
    assert queue.open == MAX_LANDING_CALLS < 128

    queue.turn.set()
    assert all(answer.granted for answer in await asyncio.gather(*calls))
