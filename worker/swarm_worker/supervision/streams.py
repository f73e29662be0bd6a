"""Pipes on the event loop, and the tail of a file.

Invariant: each chunk is handed on at once, so nothing piles up.
Performance: the transports of asyncio take a dozen turns of the loop for each pipe (docs/performance.md).
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

# The capacity of a pipe.
CHUNK_BYTES: Final = 64 * 1024


class Pipes:
    """The pipes to and from one process, closed together."""

    def __init__(self) -> None:
        # Each descriptor with the call that removes it from the loop.
        self._open: dict[int, Callable[[int], object]] = {}

    def read(self, fd: int, on_chunk: Callable[[bytes], None]) -> asyncio.Future[None]:
        """Passes each chunk to `on_chunk`; the future is done at the end of the pipe."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def on_readable() -> None:
            try:
                chunk = os.read(fd, CHUNK_BYTES)
            except BlockingIOError:
                return
            if chunk:
                on_chunk(chunk)
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
        self._open.pop(fd)(fd)
        os.close(fd)


TAIL_BYTES: Final = 256 * 1024


class FileTail:
    """A reader of what is appended to a file; the file may be absent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        with contextlib.suppress(OSError):
            self._offset = path.stat().st_size

    def read(self) -> bytes:
        """Returns the next chunk; empty at the end of the file."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(TAIL_BYTES)
        except OSError:
            return b""
        self._offset += len(chunk)
        return chunk
