"""A connection to one swarmd: calls that are repeated where that is safe, and streams."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

import grpc

from amplifier_swarm_client.failures import error_of
from amplifier_swarm_client.timeouts import DEADLINE_S, PATIENCE_S, Deadline, ReconnectWait
from amplifier_swarm_client.transport import AioTransport

# Calls that would do it twice: their outcome is unknown if they may have reached the server.
NOT_REPEATED: Final = frozenset(
    {
        *("RetryTask", "LandWork", "AcceptResult", "RejectTask", "NoteTask", "RaiseBudget", "ForgetWorker"),
        *("CreateToken", "CreateLoginCode", "ConfirmCommits"),
    }
)


class StreamHandle:
    """A handle by which another thread, or another task, cancels a stream."""

    def __init__(self) -> None:
        self.cancelled = False
        self._call: Any = None

    def attach(self, call: Any) -> Any:
        """Registers the open call, and cancels it if the handle is cancelled already."""
        self._call = call
        if self.cancelled:
            self.cancel()
        return call

    def cancel(self) -> None:
        """Cancels the open call and every later one."""
        self.cancelled = True
        if self._call is not None:
            self._call.cancel()


class CallConnection:
    """A channel to one server. All errors of calls are SwarmError."""

    def __init__(self, transport: AioTransport, *, patience_s: float = PATIENCE_S) -> None:
        """`patience_s` is how long a call is repeated while the server is away; 0 for never."""
        self.server = transport.server
        self._patience_s = patience_s
        self._transport = transport

    async def call(self, method: str, request: Any, *, timeout_s: float = DEADLINE_S) -> Any:
        """Makes a call and returns its answer; repeats it while the server is away, if that is safe."""
        send = getattr(self._transport.stub, method)
        return await self._repeated(
            lambda: send(request, timeout=timeout_s, metadata=self._transport.metadata),
            safe=method not in NOT_REPEATED,
        )

    async def upload(self, method: str, requests: Sequence[Any], *, timeout_s: float, safe: bool) -> Any:
        """Makes a call that sends many messages; `safe` says whether it may be repeated."""
        send = getattr(self._transport.stub, method)
        return await self._repeated(
            lambda: send(iter(requests), timeout=timeout_s, metadata=self._transport.metadata), safe=safe
        )

    async def _repeated(self, send: Callable[[], Any], *, safe: bool) -> Any:
        patience, backoff = Deadline(self._patience_s), ReconnectWait()
        while True:
            try:
                return await send()
            except grpc.RpcError as failed:
                error = error_of(failed, server=self.server)
                # A call that has not reached the server may always be made again.
                again = error.passing and (safe or not error.sent)
                if not again or patience.expired:
                    raise error from failed
            await asyncio.sleep(backoff.next_s())

    async def stream(
        self,
        method: str,
        request: Any,
        *,
        timeout_s: float | None = None,
        handle: StreamHandle | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Yields the answers of a stream. The call ends with the iteration."""
        call = getattr(self._transport.stub, method)(
            request, timeout=timeout_s, metadata=self._transport.metadata
        )
        if handle is not None:
            handle.attach(call)
        try:
            async for answer in call:
                yield answer
        except grpc.RpcError as failed:
            if handle is not None and handle.cancelled:
                return
            raise error_of(failed, server=self.server) from failed
        finally:
            call.cancel()

    async def close(self) -> None:
        """Ends all open calls and closes the channel."""
        await self._transport.close()
