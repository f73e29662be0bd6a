"""Pipes on the event loop: what sessions print leaves the loop to others."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from support.waiting import eventually
from swarm_worker.supervision.pipes import BURST_S, CHUNK_BYTES, REST_FACTOR, OutputPacer, Pipes

FLOODS = 8


class FakeLoop:
    """An event loop whose time only the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.calls.append((self.now_s + delay_s, call))

    def run_next(self) -> float:
        """Runs the next call at its time; returns how long nothing ran before it."""
        due_s, call = self.calls.pop(0)
        rest_s, self.now_s = due_s - self.now_s, due_s
        call()
        return rest_s


def test_output_takes_its_share_of_the_loop_and_no_more() -> None:
    loop = FakeLoop()
    pacer = OutputPacer(cast("Any", loop))
    read: list[str] = []

    def handler(_chunk: bytes) -> None:
        loop.now_s += 1.0

    def reader(name: str) -> Callable[[], None]:
        def read_chunk() -> None:
            read.append(name)
            pacer.process(handler, b"x")

        return read_chunk

    pacer.process(handler, b"x")
    assert pacer.delay_s() == 2.0 - 1.0 - BURST_S
    for name in "abc":
        pacer.wait(reader(name))
    rests = [loop.run_next() for _ in "abc"]

    assert read == ["a", "b", "c"]
    assert rests == pytest.approx([REST_FACTOR - BURST_S, REST_FACTOR, REST_FACTOR])


def test_little_output_never_waits() -> None:
    loop = FakeLoop()
    pacer = OutputPacer(cast("Any", loop))

    for _ in range(100):
        loop.now_s += 0.01
        pacer.process(lambda _: None, b"x")
        assert not pacer.busy


@pytest.mark.slow
async def test_no_two_chunks_are_processed_without_a_turn_of_the_loop_between_them() -> None:
    pipes, turns, seen = Pipes(), 0, dict[int, int]()
    chunks: list[tuple[int, int]] = []
    loop = asyncio.get_running_loop()
    running = True

    def tick() -> None:
        nonlocal turns
        turns += 1
        if running:
            loop.call_soon(tick)

    def handler(number: int) -> Callable[[bytes], None]:
        def process(chunk: bytes) -> None:
            until_s = time.perf_counter() + 1.2 * BURST_S
            while time.perf_counter() < until_s:
                pass
            chunks.append((turns, number))
            seen[number] = seen.get(number, 0) + len(chunk)

        return process

    ended = []
    for number in range(FLOODS):
        out, into = os.pipe()
        os.write(into, b"a\n" * CHUNK_BYTES)
        os.close(into)
        ended.append(pipes.read(out, handler(number)))
    tick()
    await eventually(lambda: all(end.done() for end in ended), "all pipes are read")
    running = False

    assert len({turn for turn, _ in chunks}) == len(chunks), "one chunk a turn"
    assert seen == dict.fromkeys(range(FLOODS), 2 * CHUNK_BYTES)
    assert {number for _, number in chunks[: FLOODS + 1]} == set(range(FLOODS)), "each pipe has its turn"


async def test_the_rest_of_an_ended_program_is_read_without_waiting() -> None:
    pipes, got = Pipes(), bytearray()
    out, into = os.pipe()
    os.write(into, b"x" * 60_000)
    os.close(into)
    ended = pipes.read(out, got.extend)

    pipes.finish()
    await ended

    assert len(got) == 60_000
