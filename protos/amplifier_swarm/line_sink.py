"""Lines for a descriptor that may block, fail or be gone: a bounded queue, and a thread that writes.

Invariant: `LineSink.write` neither blocks nor raises, whatever the state of the descriptor. Lines that can't be
written are dropped and counted; one note says how many, as soon as lines can be written again.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

# The most that waits while a reader does not read. Further lines are dropped.
BOUND_BYTES: Final = 1024 * 1024
# A write of this size succeeds or fails as a whole often enough, and costs one system call.
_CHUNK_BYTES: Final = 64 * 1024
# How long the thread waits for the next line before it ends. An idle program has no thread.
_LINGER_S: Final = 0.5


def plain_note(dropped: int) -> str:
    """Returns the note about dropped lines."""
    return f"{dropped} lines were dropped here: they could not be written"


class LineSink:
    """A queue of lines for one descriptor; safe to use from any thread and from signal handlers."""

    def __init__(
        self, fd: int, *, bound_bytes: int = BOUND_BYTES, note: Callable[[int], str] = plain_note
    ) -> None:
        self.note = note
        self.dropped = 0
        # Whether a flush has timed out, and no line was written since.
        self.stuck = False
        self._fd = fd
        self._bound_bytes = bound_bytes
        self._queue: deque[bytes] = deque()
        # Of the lines in the queue and of those that the thread is writing.
        self._unwritten_bytes = 0
        self._thread: threading.Thread | None = None
        # A Condition has a reentrant lock: a signal handler may write while its thread holds the lock.
        self._changed = threading.Condition()
        # Whether the last write failed in the middle of a line.
        self._torn = False

    def write(self, line: str) -> None:
        """Queues one line; drops the line if the queue is full."""
        data = line.encode(errors="backslashreplace") + b"\n"
        with self._changed:
            if self._unwritten_bytes and self._unwritten_bytes + len(data) > self._bound_bytes:
                self.dropped += 1
                return
            self._queue.append(data)
            self._unwritten_bytes += len(data)
            self._wake()

    def flush(self, within_s: float) -> bool:
        """Waits, at most that long, until every line is written or dropped; returns whether that is so."""
        with self._changed:
            if self._unwritten_bytes:
                self._wake()
            self.stuck = not self._changed.wait_for(lambda: self._unwritten_bytes == 0, within_s)
            return not self.stuck

    def _wake(self) -> None:
        if self._thread is not None:
            self._changed.notify_all()
            return
        # A daemon thread: a write that blocks forever must not keep the program from ending.
        thread = threading.Thread(target=self._run, name="line-sink", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread to give; the next line tries again
            self._write_without_thread()
            return
        self._thread = thread

    def _write_without_thread(self) -> None:
        """Writes the queued lines that the descriptor takes at once."""
        # A pipe that is writable takes PIPE_BUF bytes without blocking.
        while self._queue and len(self._queue[0]) < select.PIPE_BUF and self._poll(timeout_ms=0):
            line = self._queue.popleft()
            self._unwritten_bytes -= len(line)
            self.dropped += self._write_chunk([line])

    def _poll(self, *, timeout_ms: int | None) -> bool:
        """Waits until the descriptor is writable or broken; returns whether it is."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(timeout_ms))

    def _run(self) -> None:
        while batch := self._next_batch():
            lost = sum(self._write_chunk(chunk) for chunk in _chunks(batch))
            with self._changed:
                self.dropped += lost
                self.stuck = False
                self._unwritten_bytes -= sum(map(len, batch))
                dropped = 0 if lost else self.dropped
            if dropped and not self._write_chunk([self.note(dropped).encode() + b"\n"]):
                with self._changed:
                    self.dropped -= dropped
            with self._changed:
                self._changed.notify_all()

    def _next_batch(self) -> Sequence[bytes]:
        """Removes and returns all queued lines; returns none when the thread should end."""
        with self._changed:
            if not self._queue:
                self._changed.wait_for(lambda: self._queue, _LINGER_S)
            batch = list(self._queue)
            self._queue.clear()
            if not batch:
                self._thread = None
            return batch

    def _write_chunk(self, lines: Sequence[bytes]) -> int:
        """Writes some lines; returns how many of them were lost."""
        # After a torn line, the next one begins on a line of its own.
        start = b"\n" if self._torn else b""
        data = start + b"".join(lines)
        written = 0
        try:
            while written < len(data):
                written += self._write_some(data[written:])
        except (
            OSError
        ):  # the reader is gone, the disk is full, the descriptor is closed: a log may not do harm
            if written:
                self._torn = not data[:written].endswith(b"\n")
            return _incomplete(lines, written - len(start))
        self._torn = False
        return 0

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:  # another program made the descriptor non-blocking
            self._poll(timeout_ms=None)
            return 0


def _incomplete(lines: Sequence[bytes], written: int) -> int:
    """Returns how many lines are not among the first `written` bytes."""
    ends = accumulate(map(len, lines))
    return sum(end > written for end in ends)


def _chunks(lines: Sequence[bytes]) -> Sequence[Sequence[bytes]]:
    """Splits lines into runs of about `_CHUNK_BYTES` each."""
    chunks: list[list[bytes]] = []
    room = 0
    for line in lines:
        if room <= 0:
            chunks.append([])
            room = _CHUNK_BYTES
        chunks[-1].append(line)
        room -= len(line)
    return chunks
