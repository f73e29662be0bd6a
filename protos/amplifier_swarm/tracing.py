"""Where spans go, for both daemons: to the collector that the variables of OpenTelemetry name, or nowhere.

The rule: without OTEL_EXPORTER_OTLP_ENDPOINT nothing of OpenTelemetry is even imported, and a collector that
hangs holds nobody up.
"""

import os
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# What is still to be sent when a daemon ends gets this long.
CLOSE_WITHIN_S: Final = 1.0

_log = structlog.get_logger("tracing")


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment asks for traces, and they can be had."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(environment.get(name) for name in ENDPOINTS):
        return False
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        _log.warning("no traces: they need opentelemetry; pip install 'amplifier-swarm[otel]'")
        return False
    return True


def provider(
    service: str, *, instance: str, version: str, ids: "IdGenerator | None" = None
) -> "TracerProvider":
    """What makes spans; only where they are wanted."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # an extra, and slow to load
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # as above

    about = {"service.name": service, "service.instance.id": instance, "service.version": version}
    # Ended by us: at the exit of the interpreter it would wait for the collector.
    made = TracerProvider(resource=Resource.create(about), id_generator=ids, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(_exporter()))
    return made


def close(made: "TracerProvider", *, within_s: float = CLOSE_WITHIN_S) -> None:
    """Sends what waits, if that takes no longer than this."""
    sending = threading.Thread(target=made.shutdown, name="traces", daemon=True)
    sending.start()
    sending.join(within_s)


def _exporter() -> "SpanExporter":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415  # as above
        OTLPSpanExporter,
    )

    return OTLPSpanExporter()
