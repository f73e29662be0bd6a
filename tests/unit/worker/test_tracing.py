"""The worker's spans belong to the claim's trace and contain no output of sessions."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from amplifier_swarm import tracing
from swarm_worker.telemetry.otel import OtelTracer
from swarm_worker.telemetry.tracing import NULL_TRACER, create_tracer

PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(memory: InMemorySpanExporter) -> OtelTracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return OtelTracer(provider)


def test_inner_spans_are_children_of_the_attempt(spans: OtelTracer, memory: InMemorySpanExporter) -> None:
    with spans.attempt(PARENT, task="a", attempt=2) as work:
        with spans.span("builder session", session="s"):
            pass
        work.set_attributes(outcome="failed")
        work.fail("timeout")

    inner, outer = memory.get_finished_spans()
    assert f"{outer.context.trace_id:032x}" == f"{inner.context.trace_id:032x}" == "ab" * 16
    assert outer.parent is not None
    assert f"{outer.parent.span_id:016x}" == "cd" * 8
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert dict(outer.attributes or {}) == {"swarm.task": "a", "swarm.attempt": 2, "swarm.outcome": "failed"}
    assert outer.status.description == "timeout"


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-0-0-00"])
def test_without_a_traceparent_the_attempt_starts_a_trace(
    spans: OtelTracer, memory: InMemorySpanExporter, traceparent: str
) -> None:
    with spans.attempt(traceparent, task="a", attempt=1):
        pass

    [span] = memory.get_finished_spans()
    assert span.parent is None


def test_the_text_of_an_exception_is_not_recorded(spans: OtelTracer, memory: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), spans.span("checks"):
        raise ValueError("secret")

    [span] = memory.get_finished_spans()
    assert (span.events, span.status.description) == ((), None)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_spans_are_recorded_only_if_a_collector_is_named(
    environment: dict[str, str], *, wanted: bool
) -> None:
    assert tracing.wanted(environment) is wanted


def test_without_the_extra_nothing_is_recorded_and_a_line_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)

    assert create_tracer("w1", "0") is NULL_TRACER

    captured = capsys.readouterr()
    assert (
        "no traces: they need opentelemetry; pip install 'amplifier-swarm[otel]'"
        in captured.out + captured.err
    )
