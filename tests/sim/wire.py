"""The worker's stub without gRPC: calls go over the link and end as calls of gRPC do."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from functools import partial
from typing import Any

import grpc
from grpc.aio import AioRpcError, Metadata

from amplifier_swarm.errors import pack
from amplifier_swarm.v1 import worker_service_pb2 as wire
from sim.network import Link
from sim.process import Process
from sim.world import Violated
from swarmd.domain.errors import SwarmError
from swarmd.rpc.status import wire_error

_NOTHING = Metadata()


def rpc_error(error: Exception | None) -> AioRpcError:
    """An error of the client's side, for an error of the server or a broken connection."""
    if not isinstance(error, SwarmError):
        return AioRpcError(grpc.StatusCode.UNAVAILABLE, _NOTHING, _NOTHING, str(error or "broken"))
    status = pack(wire_error(error))
    return AioRpcError(status.code, _NOTHING, Metadata(*status.trailing_metadata), status.details)


class SimService:
    """The WorkerServiceStub of one process."""

    def __init__(self, process: Process, link: Link) -> None:
        self._process = process
        self._link = link
        # The number of answered heartbeats.
        self.beats = 0

    async def Heartbeat(self, request: Any, **call: Any) -> Any:  # noqa: N802  # the wire's name
        response = await self._call("Heartbeat", request, **call)
        self.beats += 1
        return response

    def RecordSession(self, request: Any, **call: Any) -> Awaitable[Any]:  # noqa: N802  # the wire's name
        return self._call("RecordSession", request, **call)

    def ReportProgress(self, request: Any, **call: Any) -> Awaitable[Any]:  # noqa: N802  # the wire's name
        return self._call("ReportProgress", request, **call)

    async def FinishTask(self, request: Any, **call: Any) -> Any:  # noqa: N802  # the wire's name
        response = await self._call("FinishTask", request, **call)
        if any(result.disposition == wire.FINISH_DISPOSITION_UNKNOWN for result in response.results):
            self._link.world.fail(Violated(f"the server does not know a lease of {self._process.name}"))
        return response

    def LandTask(self, request: Any, **call: Any) -> Awaitable[Any]:  # noqa: N802  # the wire's name
        return self._call("LandTask", request, **call)

    def ClaimTask(self, request: wire.ClaimTaskRequest, **_: Any) -> "SimCall":  # noqa: N802  # the wire's name
        return SimCall(self._process, self._link, request)

    async def _call(self, method: str, request: Any, *, timeout: float, metadata: Any) -> Any:  # noqa: ASYNC109
        future = asyncio.get_running_loop().create_future()

        def hear(result: Any) -> None:
            if future.done():
                return
            if not isinstance(result, Exception):
                future.set_result(result)
                return
            if isinstance(result, SwarmError):
                self._link.world.fail(Violated(f"{self._process.name} is refused a {method}: {result}"))
            future.set_exception(rpc_error(result))

        self._link.call(
            lambda server: getattr(server.workers, method)(request, None),
            lambda result: self._process.enter(partial(hear, result)),
            timeout_s=timeout,
        )
        return await future


class SimCall:
    """A stream at the worker's end."""

    def __init__(self, process: Process, link: Link, request: wire.ClaimTaskRequest) -> None:
        self._heard: deque[Any] = deque()
        self._some = asyncio.Event()
        self._end: BaseException | None = None
        self._connection = link.connect(
            request,
            lambda message: process.enter(partial(self._hear, message)),
            lambda why: process.enter(partial(self._over, rpc_error(why))),
        )

    def __aiter__(self) -> "SimCall":
        return self

    async def __anext__(self) -> Any:
        while not self._heard:
            if self._end is not None:
                raise self._end
            self._some.clear()
            await self._some.wait()
        return self._heard.popleft()

    def cancel(self) -> None:
        """Ends the stream."""
        self._connection.close()
        self._over(asyncio.CancelledError())

    def _hear(self, message: Any) -> None:
        self._heard.append(message)
        self._some.set()

    def _over(self, why: BaseException) -> None:
        self._end = self._end or why
        self._some.set()
