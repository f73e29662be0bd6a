"""The exporter of traces: no proxy between this machine and its collector."""

import pytest

from amplifier_swarm import tracing

pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")


@pytest.mark.parametrize(
    ("collector", "direct"),
    [
        ("http://localhost:4317", True),
        ("https://127.0.0.1:4317", True),
        ("http://collector.example.org:4317", True),
        ("https://collector.example.org:4317", False),
    ],
)
def test_a_proxy_is_used_for_a_far_collector_with_tls_only(
    monkeypatch: pytest.MonkeyPatch, collector: str, *, direct: bool
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector)

    exporter = tracing._exporter()

    assert (("grpc.enable_http_proxy", 0) in exporter._channel_options) is direct  # type: ignore[attr-defined]
    exporter.shutdown()
