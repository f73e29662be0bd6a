"""The server's spans: one trace for each attempt, with ids that survive restarts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.engine import EngineHarness, engine_harness, task
from support.waiting import eventually
from swarmd.domain.traces import trace_of
from swarmd.store import events
from swarmd.tracing.exporter import export_spans
from swarmd.tracing.spans import PresetIds, Spans


class Traced:
    """A swarm with its spans in memory."""

    def __init__(self, on: EngineHarness) -> None:
        self.on = on
        self._memory = InMemorySpanExporter()
        ids = PresetIds()
        provider = TracerProvider(id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.spans = Spans(provider, ids, swarm_id=on.swarm.swarm_id)

    def named(self, name: str) -> Sequence[ReadableSpan]:
        return [span for span in self._memory.get_finished_spans() if span.name == name]

    async def until(self, count: int) -> Sequence[ReadableSpan]:
        """Waits for the spans of `count` attempts and returns them."""
        await eventually(lambda: len(self.named("attempt")) >= count, f"{count} attempts have spans")
        return self.named("attempt")


@contextlib.asynccontextmanager
async def tracing(path: Path) -> AsyncIterator[Traced]:
    async with engine_harness(path) as on:
        found = Traced(on)
        seq = await on.swarm.db.read(events.last_seq)
        exporting = asyncio.create_task(export_spans(on.swarm, found.spans, seq))
        yield found
        exporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await exporting


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[Traced]:
    async with tracing(tmp_path / "swarm.db") as found:
        yield found


def outcomes(spans: Sequence[ReadableSpan]) -> list[tuple[object, object, object]]:
    return [
        (span.attributes["swarm.task"], span.attributes["swarm.attempt"], span.attributes["swarm.outcome"])
        for span in spans
        if span.attributes is not None
    ]


async def test_each_attempt_is_a_trace_of_its_own_from_its_claim_to_its_end(traced: Traced) -> None:
    await traced.on.add(task("a", max_retries=1))
    worker = await traced.on.worker()
    claim = await worker.claim("a")
    traced.on.clock.pass_s(3)
    await worker.start(claim)
    traced.on.clock.pass_s(7)
    await worker.fail("a", "timeout")
    await traced.on.after_backoff()
    await worker.complete("a")
    first, second = await traced.until(2)

    assert outcomes([first, second]) == [("a", 1, "failed"), ("a", 2, "completed")]
    ids = trace_of(traced.on.swarm.swarm_id, epoch=claim.epoch, task_id="a", attempt=1)
    assert (first.context.trace_id, first.context.span_id, first.parent) == (ids.trace_id, ids.span_id, None)
    assert first.context.trace_id != second.context.trace_id
    assert first.start_time is not None
    assert first.end_time is not None
    assert first.end_time - first.start_time == 10 * 10**9
    assert (first.status.description, second.status.is_ok) == ("timeout", True)
    waits = traced.named("claim to go")
    assert [wait.parent and wait.parent.span_id for wait in waits] == [
        first.context.span_id,
        second.context.span_id,
    ]


async def test_a_restart_in_the_middle_of_an_attempt_keeps_its_trace(tmp_path: Path) -> None:
    async with tracing(tmp_path / "swarm.db") as before:
        await before.on.add(task("a"))
        worker = await before.on.worker()
        claim = await worker.claim("a")
        await worker.start(claim)
    async with tracing(tmp_path / "swarm.db") as after:
        worker = await after.on.worker(held=[claim.lease_id])
        worker.claims.append(claim)
        await worker.complete("a")
        [span] = await after.until(1)

        ids = trace_of(after.on.swarm.swarm_id, epoch=claim.epoch, task_id="a", attempt=1)
        assert (span.context.trace_id, span.context.span_id) == (ids.trace_id, ids.span_id)
        assert ids.parent == f"00-{ids.trace_id:032x}-{ids.span_id:016x}-01"


async def test_a_kill_between_two_attempts_does_not_repeat_the_first_span(traced: Traced) -> None:
    await traced.on.add(task("a", max_retries=1), task("b"))
    worker = await traced.on.worker()
    await worker.fail("a")
    await traced.until(1)

    traced.on.clock.pass_s(0.5)
    await traced.on.kill("a")
    await worker.complete("b")
    spans = await traced.until(2)

    assert outcomes(spans) == [("a", 1, "failed"), ("b", 1, "completed")]


async def test_a_claim_that_is_given_back_is_a_short_trace(traced: Traced) -> None:
    await traced.on.add(task("a"))
    worker = await traced.on.worker()
    await worker.claim("a")

    await traced.on.kill("a", cause="x")
    spans = await traced.until(1)

    assert outcomes(spans) == [("a", 1, "killed")]
    assert traced.named("claim to go") == []
