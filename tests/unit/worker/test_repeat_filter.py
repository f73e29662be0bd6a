"""Output that only repeats, or only counts time, does not count as progress."""

import itertools

import pytest

from swarm_worker.supervision.repeat_filter import LINE_BYTES, REMEMBERED_LINES, RepeatFilter

KEEPALIVES = {
    "one line": [b'{"method":"progress","params":{"message":"waiting"}}\n'],
    "without a line end": [b"."],
    "two lines in turn": [b"waiting\n", b"still waiting\n"],
    "a spinner": [f"\r{frame} thinking".encode() for frame in "\u280b\u2819\u2839\u2838\u283c\u2834"],
    "empty lines": [b"\n", b"\r\n", b"  \n"],
    "events of that name": [b'{"method":"agent/heartbeat","n":%d}\n' % n for n in range(9)],
    "comments of an event stream": [b": keepalive\n\n"],
}
COUNTING = {
    "seconds": "still waiting (%d s)\n",
    "minutes and seconds": "waited 3m %ds\n",
    "a clock": "12:04:%02d waiting\n",
    "a date": "2026-11-%02dT10:00:00Z waiting\n",
    "a time stamp in JSON": '{"method":"progress","ts":17640000%02d.5}\n',
    "elapsed time in JSON": '{"method":"progress","elapsed_ms":%d,"message":"waiting"}\n',
    "an id in JSON": '{"event":"wait","id":"0b5e7c1a-0000-4000-8000-0000000000%02d","event_id":%d}\n',
    "a sequence number in JSON": '{"type": "wait", "seq": %d}\n',
}


def count_new(chunks: list[bytes]) -> int:
    repeats = RepeatFilter()
    return sum(map(repeats.is_new, chunks))


@pytest.mark.parametrize("cycle", KEEPALIVES.values(), ids=KEEPALIVES.keys())
def test_a_cycle_of_lines_is_new_only_at_first(cycle: list[bytes]) -> None:
    assert count_new(cycle * 50) <= min(len(cycle), 6)


@pytest.mark.parametrize("line", COUNTING.values(), ids=COUNTING.keys())
def test_a_line_that_only_counts_time_is_new_once(line: str) -> None:
    numbers = [(number,) * line.count("%") for number in range(10, 30)]
    assert count_new([(line % number).encode() for number in numbers]) == 1


@pytest.mark.parametrize(
    "line",
    ["step %d\n", "tests/test_%d.py ....\n", '{"method":"tool/started","params":{"name":"t%d"}}\n', "w%d "],
)
def test_lines_that_differ_in_anything_else_are_progress(line: str) -> None:
    assert count_new([(line % number).encode() for number in range(40)]) == 40


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_a_repeated_line_is_recognized_wherever_its_chunks_end(size: int) -> None:
    text = b"waiting for the build to end\n" * 400
    chunks = [text[at : at + size] for at in range(0, len(text), size)]

    new = list(map(RepeatFilter().is_new, chunks))

    assert not any(new[len(new) // 2 :])


def test_a_new_line_among_repeated_ones_in_one_chunk_is_progress() -> None:
    repeats = RepeatFilter()
    repeats.is_new(b"waiting\n")

    assert repeats.is_new(b"waiting\nwaiting\ndone with a\nwaiting\n")


def test_memory_is_bounded_and_a_line_that_was_forgotten_is_new_again() -> None:
    repeats = RepeatFilter()
    for number in itertools.islice(itertools.count(), REMEMBERED_LINES + 1):
        assert repeats.is_new(b"line %d\n" % number)

    assert repeats.is_new(b"line 0\n")
    assert len(repeats._known) == len(repeats._order) == REMEMBERED_LINES
    for _ in range(100):
        repeats.is_new(b"x" * LINE_BYTES)
    assert len(repeats._unfinished) == LINE_BYTES
