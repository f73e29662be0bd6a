"""An HTTP proxy that opens tunnels (CONNECT) to one target, whatever host is asked for, and notes what it was asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """A running proxy."""

    url: str
    # The lines and headers of all requests, the first line first.
    requests: list[str] = field(default_factory=list)
    # All bytes that went through the tunnels to the server.
    seen: bytearray = field(default_factory=bytearray)

    @property
    def targets(self) -> list[str]:
        """The `HOST:PORT` of each tunnel."""
        return [request.split(" ")[1] for request in self.requests]


@contextlib.asynccontextmanager
async def connect_proxy(target: str) -> AsyncIterator[ConnectProxy]:
    """Serves a proxy whose tunnels all lead to the target."""
    host, _, port = target.rpartition(":")
    found = ConnectProxy("")
    open_tunnels: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tunnels.add(task)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            found.requests.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            upstream, onward = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.closing(onward):
                await asyncio.gather(_copy(reader, onward, found.seen), _copy(upstream, writer, bytearray()))
        open_tunnels.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        for task in list(open_tunnels):
            task.cancel()
        await asyncio.gather(*open_tunnels, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            seen += data
            writer.write(data)
            await writer.drain()
    writer.close()
