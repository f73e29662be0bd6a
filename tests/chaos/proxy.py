"""A TCP proxy on loopback with the faults of bad networks; its toxics may change while bytes flow.

Invariant: like TCP it never invents, loses or reorders bytes of a live connection. A hole holds bytes back until the
hole closes or the connection breaks.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Final, Self, TypeVar

T = TypeVar("T")
CHUNK_BYTES: Final = 64 * 1024
_RESET: Final = struct.pack("ii", 1, 0)
_CALL_S: Final = 10.0


class Way(Flag):
    """The directions of a connection: up from the client to the server, down from the server to the client."""

    NONE = 0
    UP = auto()
    DOWN = auto()
    BOTH = UP | DOWN


class Side(Enum):
    """The two peers of a connection."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Toxics:
    """The faults of a connection; none by default."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    # 0 is without limit.
    bytes_per_s: float = 0.0
    # The largest piece that is passed on at once.
    slice_bytes: int = CHUNK_BYTES
    # The directions in which nothing gets through.
    hole: Way = Way.NONE
    # How long an end of a stream is kept from the other side.
    slow_close_s: float = 0.0


CLEAN: Final = Toxics()


@dataclass(slots=True)
class _End:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """Closes the socket with RST."""
        with contextlib.suppress(OSError):
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


class Connection:
    """A proxied connection; all methods run on the proxy's event loop."""

    def __init__(self, client: _End, server: _End, toxics: Toxics, *, rng: random.Random) -> None:
        self._ends = {Side.CLIENT: client, Side.SERVER: server}
        self._toxics = toxics
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._rng = rng

    def set(self, toxics: Toxics) -> None:
        """Replaces the toxics."""
        self._toxics = toxics
        self._changed.set()

    def reset(self) -> None:
        """Breaks the connection: both peers get RST."""
        for end in self._ends.values():
            end.reset()

    def half_open(self, side: Side) -> None:
        """Breaks the connection for the peer at `side`; the other peer never notices."""
        self._gone.set()
        self._changed.set()
        self._ends[side].reset()

    async def run(self) -> None:
        """Forwards bytes until both directions have ended."""
        client, server = self._ends[Side.CLIENT], self._ends[Side.SERVER]
        pumps = (self._pump(client, server, Way.UP), self._pump(server, client, Way.DOWN))
        try:
            await asyncio.gather(*pumps)
        except OSError:  # one end broke: break the other, unless it must not notice
            if self._gone.is_set():
                await asyncio.get_running_loop().create_future()
        finally:
            self.reset()

    async def _pump(self, source: _End, target: _End, way: Way) -> None:
        while chunk := await source.reader.read(CHUNK_BYTES):
            while chunk:
                await self._passage(way, self._delay_s())
                piece, chunk = chunk[: self._toxics.slice_bytes], chunk[self._toxics.slice_bytes :]
                target.writer.write(piece)
                await target.writer.drain()
                if self._toxics.bytes_per_s:
                    await asyncio.sleep(len(piece) / self._toxics.bytes_per_s)
        await self._passage(way, self._toxics.slow_close_s)
        target.writer.write_eof()

    def _delay_s(self) -> float:
        toxics = self._toxics
        return max(0.0, toxics.latency_s + self._rng.uniform(-toxics.jitter_s, toxics.jitter_s))

    async def _passage(self, way: Way, delay_s: float) -> None:
        """Waits for the delay, then for the end of a hole; waits forever if the peer has vanished."""
        if delay_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._gone.wait()
        while self._gone.is_set() or way in self._toxics.hole:
            self._changed.clear()
            await self._changed.wait()


class Lane:
    """A port that leads to the server, with its own toxics; any thread may call its methods."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: tuple[str, int], *, seed: int) -> None:
        self.address = ""
        self._loop = loop
        self._target = target
        self._toxics = CLEAN
        self._rng = random.Random(seed)
        self._live: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def set(self, toxics: Toxics) -> None:
        """Sets the toxics of every connection, new ones included."""
        self._do(lambda: self._set(toxics))

    def reset(self) -> None:
        """Breaks every connection; new ones may be made."""
        self._do(lambda: self._each(Connection.reset))

    def half_open(self, side: Side) -> None:
        """Breaks every connection at one side only; new ones may be made."""
        self._do(lambda: self._each(lambda connection: connection.half_open(side)))

    def connections(self) -> list[Connection]:
        """Returns the live connections; use them on the proxy's loop only."""
        return self._do(lambda: list(self._live))

    async def open(self) -> None:
        """Listens on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"

    async def close(self) -> None:
        """Closes the port and all connections."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set(self, toxics: Toxics) -> None:
        self._toxics = toxics
        self._each(lambda connection: connection.set(toxics))

    def _each(self, act: Callable[[Connection], None]) -> None:
        for connection in list(self._live):
            act(connection)

    def _do(self, act: Callable[[], T]) -> T:
        return on_loop(self._loop, act)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(_End(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: _End) -> None:
        try:
            server = _End(*await asyncio.open_connection(*self._target))
        except OSError:
            client.reset()
            return
        connection = Connection(client, server, self._toxics, rng=self._rng)
        self._live.add(connection)
        try:
            await connection.run()
        finally:
            self._live.discard(connection)


class Proxy:
    """Lanes to one server, on an event loop in its own thread, so that a test may block."""

    def __init__(self, target: str, *, seed: int = 0) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._seed = seed
        self._lanes: list[Lane] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            asyncio.run_coroutine_threadsafe(lane.close(), self._loop).result(_CALL_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)
        self._loop.close()

    def lane(self) -> Lane:
        """Opens a new lane."""
        lane = Lane(self._loop, self._target, seed=self._seed + len(self._lanes))
        self._lanes.append(lane)
        asyncio.run_coroutine_threadsafe(lane.open(), self._loop).result(_CALL_S)
        return lane


def on_loop(loop: asyncio.AbstractEventLoop, act: Callable[[], T]) -> T:
    """Runs `act` on that loop from another thread; returns its result."""
    done: Future[T] = Future()

    def call() -> None:
        try:
            done.set_result(act())
        except Exception as error:  # noqa: BLE001  # the waiting thread gets it
            done.set_exception(error)

    loop.call_soon_threadsafe(call)
    return done.result(_CALL_S)


def set_all(lanes: Iterable[Lane], toxics: Toxics) -> None:
    """Sets the toxics of several lanes."""
    for lane in lanes:
        lane.set(toxics)
