"""Pipes on the event loop, and the tail of a file.

Invariant: a chunk is handed on as it is read, so nothing piles up here. What sessions print takes at most half of the
loop's time, over all of them: a session that prints without end must not delay the orders for others.
Performance: the transports of asyncio take a dozen turns of the loop for each pipe (docs/performance.md).
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

# The loop serves nothing else while a chunk is processed: 4 KiB of short lines take some 30 ms.
CHUNK_BYTES: Final = 4 * 1024
# Output may take this much of the loop's time before it has to wait for its turn.
BURST_S: Final = 0.02
# After a chunk, the loop is left to others for this many times as long as the chunk took.
REST_FACTOR: Final = 1.0


class OutputPacer:
    """A fair queue of the readable pipes of one event loop, which bounds the share of time that output takes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: deque[Callable[[], None]] = deque()
        # The time at which the output processed so far will have had its rest.
        self._rested_at = 0.0

    @property
    def busy(self) -> bool:
        """Returns whether a pipe must wait for its turn."""
        return bool(self._queue) or self.delay_s() > 0

    def delay_s(self) -> float:
        """Returns how long output has to wait now."""
        return max(0.0, self._rested_at - BURST_S - self._loop.time())

    def wait(self, read: Callable[[], None]) -> None:
        """Calls `read` in its turn."""
        self._queue.append(read)
        if len(self._queue) == 1:
            self._loop.call_later(self.delay_s(), self._next)

    def process(self, handler: Callable[[bytes], None], chunk: bytes) -> None:
        """Handles a chunk, and notes the time that this takes."""
        start = self._loop.time()
        handler(chunk)
        took = self._loop.time() - start
        self._rested_at = max(self._rested_at, start) + took * (1 + REST_FACTOR)

    def _next(self) -> None:
        # It stays in the queue until it is read, so that no other pipe overtakes it.
        try:
            self._queue[0]()
        finally:
            self._queue.popleft()
            if self._queue:
                self._loop.call_later(self.delay_s(), self._next)


_pacers: WeakKeyDictionary[asyncio.AbstractEventLoop, OutputPacer] = WeakKeyDictionary()


def output_pacer() -> OutputPacer:
    """Returns the pacer of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _pacers:
        _pacers[loop] = OutputPacer(loop)
    return _pacers[loop]


class Pipes:
    """The pipes to and from one process, closed together."""

    def __init__(self) -> None:
        # Each descriptor with the call that removes it from the loop.
        self._open: dict[int, Callable[[int], object]] = {}
        # Pipes that wait for their turn, with the call that reads them.
        self._paused: dict[int, Callable[[], None]] = {}
        self._unpaced = False

    def finish(self) -> None:
        """Reads the rest without waiting for its turn: the writer has ended, so the rest is what the pipes hold."""
        self._unpaced = True
        loop = asyncio.get_running_loop()
        while self._paused:
            loop.add_reader(*self._paused.popitem())

    def read(self, fd: int, on_chunk: Callable[[bytes], None]) -> asyncio.Future[None]:
        """Passes each chunk to `on_chunk`; the future is done at the end of the pipe."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        pacer = output_pacer()

        def on_readable() -> None:
            if pacer.busy and not self._unpaced:
                loop.remove_reader(fd)
                self._paused[fd] = on_readable
                pacer.wait(resume)
            else:
                read_chunk()

        def resume() -> None:
            if self._paused.pop(fd, None) is not None:
                loop.add_reader(fd, on_readable)
                read_chunk()

        def read_chunk() -> None:
            try:
                chunk = os.read(fd, CHUNK_BYTES)
            except BlockingIOError:
                return
            if chunk:
                pacer.process(on_chunk, chunk)
                return
            self._close(fd)
            if not ended.done():
                ended.set_result(None)

        os.set_blocking(fd, False)
        loop.add_reader(fd, on_readable)
        self._open[fd] = loop.remove_reader
        return ended

    def write(self, fd: int, data: bytes) -> None:
        """Writes all data and closes the pipe; a reader that ends early is not an error."""
        loop, left = asyncio.get_running_loop(), memoryview(data)

        def on_writable() -> None:
            nonlocal left
            try:
                left = left[os.write(fd, left) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                left = left[:0]
            if not left:
                self._close(fd)

        os.set_blocking(fd, False)
        self._open[fd] = lambda _: None
        on_writable()
        if left:
            loop.add_writer(fd, on_writable)
            self._open[fd] = loop.remove_writer

    def close(self) -> None:
        """Closes all pipes."""
        for fd in list(self._open):
            self._close(fd)

    def _close(self, fd: int) -> None:
        self._paused.pop(fd, None)
        self._open.pop(fd)(fd)
        os.close(fd)


TAIL_BYTES: Final = CHUNK_BYTES


class FileTail:
    """A reader of what is appended to a file, from now on or from its start; the file may be absent."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._path = path
        self._offset = 0
        if not from_start:
            with contextlib.suppress(OSError):
                self._offset = path.stat().st_size

    def read(self) -> bytes:
        """Returns the next chunk; empty at the end of the file.

        A session may put a pipe or a folder in the file's place; neither is read, and neither is waited for.
        """
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            chunk = os.pread(fd, TAIL_BYTES, self._offset)
        except OSError:
            return b""
        finally:
            os.close(fd)
        self._offset += len(chunk)
        return chunk
