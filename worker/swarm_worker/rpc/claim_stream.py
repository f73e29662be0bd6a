"""The claim stream: opened, reopened whenever it ends, its messages passed to a listener."""

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

import grpc

from amplifier_swarm.errors import WireError, unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.rpc.retry import CallRetry, OutageLog, exit_for, exit_for_settings
from swarm_worker.supervision.fence import now_s

RECONNECT_CAP_S: Final = 5.0
REHEARSAL_REFUSED: Final = "REHEARSAL_REFUSED"


class ClaimListener(Protocol):
    """A receiver of the stream's messages."""

    def opened(self, opened: wire.Opened, *, since: float) -> None:
        """Takes the registration; `since` is when the call began, by the fence's clock."""

    def received(self, response: wire.ClaimTaskResponse) -> None:
        """Takes claims, orders or a notice."""


def announce_starts(request: wire.ClaimTaskRequest) -> None:
    """Adds where attempts may start at any worker, besides their builder."""
    request.starts.extend((task_pb2.START_POINT_VALIDATOR, task_pb2.START_POINT_CHECKS))


class ClaimStream:
    """The claim stream of one worker. Each call is cancelled when its stream ends."""

    def __init__(
        self,
        connection: ServerConnection,
        *,
        request: Callable[[], wire.ClaimTaskRequest],
        listener: ClaimListener,
        outages: OutageLog,
    ) -> None:
        self._connection = connection
        self._request = request
        self._listener = listener
        self._retry = CallRetry("ClaimTask", outages, cap_s=RECONNECT_CAP_S)
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._call: grpc.aio.Call | None = None

    def stay_closed(self) -> None:
        """Opens no further stream: heartbeats suffice for a worker that takes no claims."""
        self._wanted.clear()

    def close(self) -> None:
        """Ends the open stream, and opens none until `open` is called."""
        self._wanted.clear()
        if self._call is not None:
            self._call.cancel()

    def open(self) -> None:
        """Opens streams again."""
        self._wanted.set()

    async def run(self) -> NoReturn:
        """Listens until it is cancelled.

        Raises:
            ProgramExit: The server will never send claims to this worker.
        """
        while True:
            await self._wanted.wait()
            self._connection.renew()
            metadata = self._connection.metadata
            error = await self._listen(metadata)
            if metadata != self._connection.metadata:
                continue  # the token was replaced meanwhile, and perhaps revoked for that
            if end := _exit_for(error):
                raise end
            if self._wanted.is_set():
                await self._retry.wait_after(error)

    async def _listen(self, metadata: tuple[tuple[str, str], ...]) -> WireError:
        """Passes on the messages of one stream; returns the error that ended it."""
        since = now_s()
        self._call = call = self._connection.service.ClaimTask(self._request(), metadata=metadata)
        try:
            async for response in call:
                if response.HasField("opened"):
                    self._retry.succeeded()
                    self._listener.opened(response.opened, since=since)
                self._listener.received(response)
        except grpc.RpcError as error:
            return unpack(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._wanted.is_set() or task is None or task.cancelling():
                raise
        finally:
            self._call = None
            call.cancel()
        return WireError(grpc.StatusCode.UNAVAILABLE, "the server ended the stream")


def _exit_for(error: WireError) -> ProgramExit | None:
    if error.reason == REHEARSAL_REFUSED:
        return ProgramExit(ExitCode.USAGE, error.message)
    return exit_for(error) or exit_for_settings(error)
