"""The line sink: it never blocks and never raises; lost lines are counted and reported once."""

import errno
import fcntl
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from amplifier_swarm import line_sink
from amplifier_swarm.line_sink import LineSink
from support.waiting import until

ONE_PAGE = 4096


@dataclass
class Pipe:
    """A pipe of one page."""

    reader: int
    writer: int

    def read(self) -> bytes:
        """Returns what is in the pipe; empty if nothing is."""
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, ONE_PAGE)
    os.set_blocking(reader, False)
    yield Pipe(reader, writer)
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError as error:
            assert error.errno == errno.EBADF  # noqa: PT017  # the test has closed it


def test_lines_are_written_in_order(pipe: Pipe) -> None:
    sink = LineSink(pipe.writer)

    for number in range(100):
        sink.write(f"line {number}")

    assert sink.flush(10)
    assert pipe.read().decode().splitlines() == [f"line {number}" for number in range(100)]


def test_a_reader_that_does_not_read_blocks_nobody_and_the_lost_lines_are_counted(pipe: Pipe) -> None:
    sink = LineSink(pipe.writer, bound_bytes=2 * ONE_PAGE)

    for number in range(3000):
        sink.write(f"line {number:04}")
    assert not sink.flush(0)
    assert sink.dropped > 0

    written = b""

    def read_all() -> bool:
        nonlocal written
        written += pipe.read()
        kept, dropped = _kept_and_dropped(written)
        return len(kept) + dropped == 3000

    until(read_all, "each line or a note that counts it")
    kept, dropped = _kept_and_dropped(written)
    assert kept == sorted(set(kept)), "each line once, in order"
    assert dropped > 0


def _kept_and_dropped(written: bytes) -> tuple[list[str], int]:
    """Returns the whole lines and the sum of the notes; a note may come before lines that were queued by then."""
    lines = written.decode().split("\n")[:-1]
    notes = [
        re.fullmatch(r"(\d+) lines were dropped here: they could not be written", line) for line in lines
    ]
    kept = [line for line, note in zip(lines, notes, strict=True) if not note]
    return kept, sum(int(note[1]) for note in notes if note)


def test_lines_for_a_reader_that_left_are_dropped_without_an_error(pipe: Pipe) -> None:
    os.close(pipe.reader)
    sink = LineSink(pipe.writer)

    sink.write("one")
    sink.write("two")

    assert sink.flush(10)
    until(lambda: sink.dropped == 2, "both lines count as dropped")


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EPIPE, errno.EBADF])
def test_the_note_comes_once_when_lines_can_be_written_again(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    write = os.write
    broken = True

    def faulty(number: int, data: bytes) -> int:
        if number == fd and broken:
            raise OSError(fault, os.strerror(fault))
        return write(number, data)

    monkeypatch.setattr(os, "write", faulty)
    sink = LineSink(fd)
    for line in ("lost 1", "lost 2"):
        sink.write(line)
        assert sink.flush(10)
    broken = False
    for line in ("kept 1", "kept 2"):
        sink.write(line)
        assert sink.flush(10)
    until(lambda: sink.dropped == 0, "the note is written")
    os.close(fd)

    text = (tmp_path / "log").read_text()
    assert text.splitlines() == ["kept 1", "2 lines were dropped here: they could not be written", "kept 2"]


def test_a_line_that_a_full_disk_cut_is_followed_by_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    write, room = os.write, [4, 0, 1000]

    def faulty(number: int, data: bytes) -> int:
        if number != fd:
            return write(number, data)
        here = room.pop(0) if len(room) > 1 else room[0]
        if here == 0:
            raise OSError(errno.ENOSPC, "no space")
        return write(number, data[:here])

    monkeypatch.setattr(os, "write", faulty)
    sink = LineSink(fd)
    sink.write("cut in the middle")
    assert sink.flush(10)
    sink.write("whole")
    assert sink.flush(10)
    until(lambda: sink.dropped == 0, "the note is written")
    os.close(fd)

    assert (tmp_path / "log").read_text().splitlines()[:2] == ["cut ", "whole"]


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    sink = LineSink(pipe.writer)
    text = "x" * 3 * ONE_PAGE

    sink.write(text)
    written = b""

    def read_all() -> bool:
        nonlocal written
        written += pipe.read()
        return written.endswith(b"\n")

    until(read_all, "the whole line")
    assert written.decode() == text + "\n"
    assert sink.dropped == 0


def test_a_line_longer_than_the_bound_is_written_if_nothing_waits(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    sink = LineSink(fd, bound_bytes=10)

    sink.write("longer than the bound \udc80")
    assert sink.flush(10)
    os.close(fd)

    assert (tmp_path / "log").read_text() == "longer than the bound \\udc80\n"


def test_a_system_without_threads_blocks_nobody_and_loses_no_line(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_thread: object) -> None:
        raise RuntimeError("can't start new thread")

    sink = LineSink(pipe.writer)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", fail)
        sink.write("early")
        assert pipe.read() == b"early\n"
        os.write(pipe.writer, b"x" * ONE_PAGE)
        sink.write("while the pipe is full")
        assert pipe.read() == b"x" * ONE_PAGE
    sink.write("late")

    assert sink.flush(10)
    assert pipe.read() == b"while the pipe is full\nlate\n"


def test_an_idle_sink_has_no_thread(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_sink, "_LINGER_S", 0.0)
    sink = LineSink(pipe.writer)

    sink.write("a")
    until(lambda: sink._thread is None, "the thread has ended")
    sink.write("b")

    assert sink.flush(10)
    assert pipe.read() == b"a\nb\n"


def test_a_signal_handler_may_write_at_any_moment(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    sink = LineSink(fd)
    handled = 0

    def handler(_number: int, _frame: object) -> None:
        nonlocal handled
        handled += 1
        sink.write("from the handler")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    written = 0
    try:
        while handled < 50:
            sink.write("from the program")
            written += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert sink.flush(30)
    os.close(fd)
    assert len((tmp_path / "log").read_text().splitlines()) + sink.dropped >= handled + written
