"""Pipes on the event loop. Their one rule: what comes is handed on at once, so that nothing piles up.

Read and written right here: the loop's own transports take a dozen turns of it for each pipe of each session.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

# As much as a pipe holds.
CHUNK_BYTES: Final = 64 * 1024


class Pipes:
    """The pipes to and from one process; closed together."""

    def __init__(self) -> None:
        # With what each was said to the loop, to be taken back.
        self._open: dict[int, Callable[[int], object]] = {}

    def listen(self, fd: int, take: Callable[[bytes], None]) -> asyncio.Future[None]:
        """Hands on what comes; the future says when no more can come."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def hear() -> None:
            try:
                chunk = os.read(fd, CHUNK_BYTES)
            except BlockingIOError:
                return
            if chunk:
                take(chunk)
                return
            self._let_go(fd)
            if not ended.done():
                ended.set_result(None)

        os.set_blocking(fd, False)
        loop.add_reader(fd, hear)
        self._open[fd] = loop.remove_reader
        return ended

    def feed(self, fd: int, data: bytes) -> None:
        """Writes all of it; whether anybody reads it is their own affair."""
        loop, left = asyncio.get_running_loop(), memoryview(data)

        def write() -> None:
            nonlocal left
            try:
                left = left[os.write(fd, left) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                left = left[:0]
            if not left:
                self._let_go(fd)

        os.set_blocking(fd, False)
        self._open[fd] = lambda _: None
        write()
        if left:
            loop.add_writer(fd, write)
            self._open[fd] = loop.remove_writer

    def close(self) -> None:
        """Lets go of them all."""
        for fd in list(self._open):
            self._let_go(fd)

    def _let_go(self, fd: int) -> None:
        self._open.pop(fd)(fd)
        os.close(fd)


TAIL_BYTES: Final = 256 * 1024


class FileTail:
    """What is new in a file; one that is not there has nothing new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        with contextlib.suppress(OSError):
            self._offset = path.stat().st_size

    def read(self) -> bytes:
        """The next piece, empty at the end."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(TAIL_BYTES)
        except OSError:
            return b""
        self._offset += len(chunk)
        return chunk
