"""Output is split into the same lines whatever its chunks are, in bounded memory."""

import random

import pytest

from swarm_worker.output.lines import LINE_BYTES, LineSplitter, OutputLine, Tail


def _split(*chunks: bytes) -> list[OutputLine]:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.push(chunk)]
    return lines + splitter.flush()


@pytest.mark.parametrize("seed", range(20))
def test_lines_do_not_depend_on_the_chunks_they_come_in(seed: int) -> None:
    text = "one\r\ntwo\n\n\u00fcmlaut \u2014 dash\nlast without end".encode()
    cuts = sorted(random.Random(seed).sample(range(len(text)), 6))

    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert _split(*chunks) == [
        OutputLine("one"),
        OutputLine("two"),
        OutputLine(""),
        OutputLine("\u00fcmlaut \u2014 dash"),
        OutputLine("last without end"),
    ]


@pytest.mark.parametrize("size", [LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, 5 * LINE_BYTES])
@pytest.mark.parametrize("chunk", [1000, 10_000_000])
def test_a_line_is_cut_at_64_kib_and_says_so(size: int, chunk: int) -> None:
    text = b"x" * size + b"\nnext\n"

    long, after = _split(*(text[at : at + chunk] for at in range(0, len(text), chunk)))

    assert long == OutputLine("x" * min(size, LINE_BYTES), cut=size > LINE_BYTES)
    assert after == OutputLine("next")


@pytest.mark.parametrize("chunk", [1000, 10_000_000])
def test_an_object_may_be_longer_than_other_lines(chunk: int) -> None:
    fits, too_long, plain = b"{" + b"x" * 99_999, b"{" + b"x" * 100_000, b"x" * 100_000
    text = b"\n".join((fits, too_long, plain, b""))
    splitter = LineSplitter(100_000)

    lines = [line for at in range(0, len(text), chunk) for line in splitter.push(text[at : at + chunk])]

    assert [(len(line.text), line.cut) for line in lines] == [
        (100_000, False),
        (100_000, True),
        (LINE_BYTES, True),
    ]


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert _split(b"\xff\xfe ok\n") == [OutputLine("\ufffd\ufffd ok")]


def test_a_tail_keeps_everything_up_to_its_limit() -> None:
    tail = Tail(100)
    tail.append(b"a\n" * 50)

    assert not tail.cut
    assert tail.text() == "a\n" * 50


def test_a_tail_that_discarded_bytes_begins_with_a_whole_line() -> None:
    tail = Tail(100)
    for number in range(1000):
        tail.append(f"line {number}\n".encode())

    assert tail.cut
    assert tail.text().startswith("line 989\n")
    assert tail.text().endswith("line 999\n")
    assert len(tail.text()) <= 100
    assert tail.last_chars(9) == "line 999\n"
