"""Spans of a worker's attempts, children of the server's trace. Without OTEL_* variables nothing is recorded."""

import contextlib
from collections.abc import Iterator
from typing import Final, Protocol

from amplifier_swarm import tracing


class Span(Protocol):
    """A timed operation."""

    def set_attributes(self, **attributes: str | int) -> None:
        """Adds attributes, each with the prefix `swarm.`."""

    def fail(self, why: str) -> None:
        """Sets the span's status to error."""


class Tracer(Protocol):
    """A maker of spans; a span is the parent of the spans opened within it."""

    def attempt(
        self, traceparent: str, *, task: str, attempt: int
    ) -> contextlib.AbstractContextManager[Span]:
        """Opens the span of one attempt, as a child of `traceparent` if that is not empty."""

    def span(self, name: str, **attributes: str | int) -> contextlib.AbstractContextManager[Span]:
        """Opens the span of one part of an attempt."""

    def close(self) -> None:
        """Exports the finished spans that are still queued; gives up after a short time."""


class _NullSpan:
    def set_attributes(self, **attributes: str | int) -> None:
        """See Span."""

    def fail(self, why: str) -> None:
        """See Span."""


class NullTracer:
    """A tracer that records nothing."""

    @contextlib.contextmanager
    def attempt(self, traceparent: str, *, task: str, attempt: int) -> Iterator[Span]:
        """See Tracer."""
        yield _NULL_SPAN

    @contextlib.contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[Span]:
        """See Tracer."""
        yield _NULL_SPAN

    def close(self) -> None:
        """See Tracer."""


_NULL_SPAN: Final = _NullSpan()
NULL_TRACER: Final = NullTracer()


def create_tracer(worker: str, version: str) -> Tracer:
    """Returns the tracer that the OTEL_* variables ask for, NULL_TRACER if none is set."""
    if not tracing.wanted():
        return NULL_TRACER
    from swarm_worker.telemetry.otel import OtelTracer  # noqa: PLC0415  # an extra

    return OtelTracer(tracing.provider("swarm-worker", instance=worker, version=version))
