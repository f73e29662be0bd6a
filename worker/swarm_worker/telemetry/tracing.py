"""Spans of what a worker does for an attempt, below the trace that the server told. Silent unless asked for."""

import contextlib
from collections.abc import Iterator
from typing import Final, Protocol

from amplifier_swarm import tracing


class Span(Protocol):
    """A stretch of work."""

    def note(self, **attributes: str | int) -> None:
        """Says something of it."""

    def fail(self, why: str) -> None:
        """It did not come to what it should."""


class Tracer(Protocol):
    """Makes spans; each is the parent of those that are made within it."""

    def work(self, traceparent: str, *, task: str, attempt: int) -> contextlib.AbstractContextManager[Span]:
        """All that is done for one attempt."""

    def span(self, name: str, **attributes: str | int) -> contextlib.AbstractContextManager[Span]:
        """A part of it."""

    def close(self) -> None:
        """Sends what waits, if that is quick."""


class _NoSpan:
    def note(self, **attributes: str | int) -> None:
        """See Span."""

    def fail(self, why: str) -> None:
        """See Span."""


class Silent:
    """Makes none."""

    @contextlib.contextmanager
    def work(self, traceparent: str, *, task: str, attempt: int) -> Iterator[Span]:
        """See Tracer."""
        yield _NO_SPAN

    @contextlib.contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[Span]:
        """See Tracer."""
        yield _NO_SPAN

    def close(self) -> None:
        """See Tracer."""


_NO_SPAN: Final = _NoSpan()
SILENT: Final = Silent()


def tracer(worker: str, version: str) -> Tracer:
    """What the environment asks for."""
    if not tracing.wanted():
        return SILENT
    from swarm_worker.telemetry.otel import OtelTracer  # noqa: PLC0415  # an extra

    return OtelTracer(tracing.provider("swarm-worker", instance=worker, version=version))
