"""Spans for OpenTelemetry. No other module of the worker imports the SDK of OpenTelemetry."""

import contextlib
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from amplifier_swarm import tracing


class OtelSpan:
    """See Span."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set_attributes(self, **attributes: str | int) -> None:
        """See Span."""
        self._span.set_attributes(_prefixed(attributes))

    def fail(self, why: str) -> None:
        """See Span."""
        self._span.set_status(Status(StatusCode.ERROR, why))


class OtelTracer:
    """See Tracer."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("swarm-worker")

    @contextlib.contextmanager
    def attempt(self, traceparent: str, *, task: str, attempt: int) -> Iterator[OtelSpan]:
        """See Tracer. Without a traceparent the attempt starts a trace of its own."""
        parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        with self._open("work", _prefixed({"task": task, "attempt": attempt}), parent) as span:
            yield span

    @contextlib.contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[OtelSpan]:
        """See Tracer."""
        with self._open(name, _prefixed(attributes)) as span:
            yield span

    def close(self) -> None:
        """See Tracer."""
        tracing.close(self._provider)

    @contextlib.contextmanager
    def _open(
        self, name: str, attributes: dict[str, str | int], parent: Context | None = None
    ) -> Iterator[OtelSpan]:
        # The text of an exception may hold anything that a session printed, secrets included.
        with self._tracer.start_as_current_span(
            name, context=parent, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield OtelSpan(span)


def _prefixed(attributes: dict[str, str | int]) -> dict[str, str | int]:
    return {f"swarm.{name}": value for name, value in attributes.items()}
