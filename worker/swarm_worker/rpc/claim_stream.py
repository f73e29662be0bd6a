"""The claim stream: opens it, opens it again whenever it ends, and hands on what comes over it."""

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

import grpc
import structlog

from amplifier_swarm.errors import WireError, unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.rpc.retry import OutageLog, RetryBackoff, exit_for
from swarm_worker.supervision.fence import now_s

RECONNECT_CAP_S: Final = 5.0

_log = structlog.get_logger()


class ClaimListener(Protocol):
    """What hears the stream."""

    def opened(self, opened: wire.Opened, *, since: float) -> None:
        """The worker is registered; the call began at that time of the fence's clock."""

    def received(self, response: wire.ClaimTaskResponse) -> None:
        """Claims, orders or a notice."""


class ClaimStream:
    """The stream of one worker. Every call it makes is cancelled when it is done with it."""

    def __init__(
        self,
        stubs: ServerConnection,
        *,
        request: Callable[[], wire.ClaimTaskRequest],
        listener: ClaimListener,
        link: OutageLog,
    ) -> None:
        self._stubs = stubs
        self._request = request
        self._listener = listener
        self._link = link
        self._backoff = RetryBackoff(cap_s=RECONNECT_CAP_S)
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._call: grpc.aio.Call | None = None

    def stay_closed(self) -> None:
        """Opens no further stream: heartbeats suffice for a worker that takes no claims."""
        self._wanted.clear()

    def close(self) -> None:
        """Ends the open stream too, and with it all claims, until `open`."""
        self._wanted.clear()
        if self._call is not None:
            self._call.cancel()

    def open(self) -> None:
        """Wants claims again."""
        self._wanted.set()

    async def run(self) -> NoReturn:
        """Listens until it is cancelled; raises Exit when the server will never send claims."""
        while True:
            await self._wanted.wait()
            error = await self._listen()
            if end := exit_for(error) or _wrong(error):
                raise end
            if not self._wanted.is_set():
                continue
            self._link.failed("ClaimTask", error)
            await asyncio.sleep(self._backoff.next_s())

    async def _listen(self) -> WireError:
        """Hears one stream to its end, whichever way it ends."""
        since = now_s()
        self._call = call = self._stubs.service.ClaimTask(self._request(), metadata=self._stubs.metadata)
        try:
            async for response in call:
                if response.HasField("opened"):
                    self._link.answered("ClaimTask")
                    self._backoff.reset()
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


def _wrong(error: WireError) -> ProgramExit | None:
    """What this worker is set to can't be right."""
    if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
        return None
    return ProgramExit(
        ExitCode.USAGE, f"the server does not accept this worker: {error.message}", hint="check its flags"
    )
