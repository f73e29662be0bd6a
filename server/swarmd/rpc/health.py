"""Limits of methods that need no token: the health service, and KEDA's protocol if it is open.

Invariant: callers without a token share fixed numbers of open calls, and a probe's message is small and arrives soon.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from amplifier_swarm.errors import pack
from swarmd.domain.errors import InvalidRequest, SwarmError, TooManyStreams
from swarmd.rpc.status import wire_error

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = grpc.aio.ServicerContext[Any, Any]

# Probes whose message has not arrived yet, and watches, in all.
MAX_UNREAD: Final = 32
MAX_WATCHES: Final = 64
# A probe's message holds the name of a service; KEDA's holds metadata, with certificates perhaps.
MAX_BYTES: Final = 1_024
MAX_SCALER_BYTES: Final = 64 * 1_024
READ_WITHIN_S: Final = 5.0


class ProbeLimits:
    """A wrapper of the methods of one service that counts their callers."""

    def __init__(self, service: str = "health", *, max_bytes: int = MAX_BYTES) -> None:
        self._service = service
        self._max_bytes = max_bytes
        self._unread = 0
        self._watches = 0

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Returns a handler that reads the message within limits, then calls `handler`."""
        deserialize = handler.request_deserializer
        assert deserialize is not None
        if not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._limited(handler.unary_unary, deserialize),
                response_serializer=handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._counted(self._limited(handler.unary_stream, deserialize), method),
            response_serializer=handler.response_serializer,
        )

    def _limited(self, inner: Any, deserialize: Callable[[bytes], Any]) -> Any:
        async def call(raw: AsyncIterator[bytes], context: Context) -> Any:
            try:
                request = await self.read(raw, deserialize)
            except SwarmError as error:
                await context.abort_with_status(pack(wire_error(error)))
            return await inner(request, context)

        return call

    def _counted(self, inner: Any, method: str) -> Any:
        async def call(raw: AsyncIterator[bytes], context: Context) -> None:
            if self._watches >= MAX_WATCHES:
                await context.abort_with_status(
                    pack(wire_error(TooManyStreams(method.rpartition("/")[2], MAX_WATCHES)))
                )
            self._watches += 1
            try:
                await inner(raw, context)
            finally:
                self._watches -= 1

        return call

    async def read(self, raw: AsyncIterator[bytes], deserialize: Callable[[bytes], Any]) -> Any:
        """Reads the one message of a call.

        Raises:
            TooManyStreams: too many calls wait for their message.
            InvalidRequest: it is late, long or not a message of the method.
        """
        if self._unread >= MAX_UNREAD:
            raise TooManyStreams(self._service, MAX_UNREAD)
        self._unread += 1
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                data = await anext(raw, b"")
        except TimeoutError:
            raise InvalidRequest("request", f"did not arrive within {READ_WITHIN_S:.0f} s") from None
        finally:
            self._unread -= 1
        if len(data) > self._max_bytes:
            raise InvalidRequest("request", f"has {len(data):,} bytes; send at most {self._max_bytes:,}")
        try:
            return deserialize(data)
        except DecodeError:
            raise InvalidRequest("request", "is not a message of this method") from None
