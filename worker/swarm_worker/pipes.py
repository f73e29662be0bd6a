"""Pipes on the event loop. Their one rule: what comes is handed on at once, so that nothing piles up."""

import asyncio
import os
from collections.abc import Callable


class _Reader(asyncio.Protocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._take = take

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class Pipes:
    """The pipes to and from one process; closed together."""

    def __init__(self) -> None:
        self._transports: list[asyncio.BaseTransport] = []

    async def listen(self, fd: int, take: Callable[[bytes], None]) -> asyncio.Future[None]:
        """Hands on what comes; the future says when no more can come."""
        transport, reader = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _Reader(take), os.fdopen(fd, "rb", buffering=0)
        )
        self._transports.append(transport)
        return reader.ended

    async def feed(self, fd: int, data: bytes) -> None:
        """Writes all of it; whether anybody reads it is their own affair."""
        transport, _ = await asyncio.get_running_loop().connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(fd, "wb", buffering=0)
        )
        transport.write(data)
        transport.close()
        self._transports.append(transport)

    def close(self) -> None:
        """Lets go of them all."""
        for transport in self._transports:
            transport.close()
