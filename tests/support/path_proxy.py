"""A proxy that serves another server below a path and strips the path, as a web server in front of it does."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator

PREFIX = "/swarm"


@contextlib.contextmanager
def path_proxy(target: str) -> Iterator[str]:
    """Serves `http://HOST:PORT` of the target below PREFIX; yields the URL, which ends with a slash."""
    started: queue.Queue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()
    thread = threading.Thread(target=lambda: asyncio.run(_run(target, started)), daemon=True)
    thread.start()
    port, loop, stop = started.get(timeout=20)
    try:
        yield f"http://127.0.0.1:{port}{PREFIX}/"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)


async def _run(
    target: str, started: "queue.Queue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]]"
) -> None:
    host, _, port = target.removeprefix("http://").rpartition(":")
    server = await asyncio.start_server(lambda r, w: _serve(r, w, host, int(port)), "127.0.0.1", 0)
    stop = asyncio.Event()
    started.put((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
    async with server:
        await stop.wait()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Passes one request on; all others of its connection are those of a WebSocket."""
    with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, rest = head.split(" ", 2)
        if not path.startswith(f"{PREFIX}/"):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if "upgrade: websocket" not in head.lower():
            version, _, fields = rest.partition("\r\n")
            rest = f"{version}\r\nConnection: close\r\n{fields}".replace("Connection: keep-alive\r\n", "")
        upstream, target = await asyncio.open_connection(host, port)
        with contextlib.closing(target):
            target.write(f"{method} {path.removeprefix(PREFIX)} {rest}".encode("latin-1"))
            await asyncio.gather(_copy(reader, target), _copy(upstream, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
