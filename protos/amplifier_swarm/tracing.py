"""Export of spans, for both daemons: to the collector that the variables of OpenTelemetry name, or nowhere.

Invariant: without OTEL_EXPORTER_OTLP_ENDPOINT nothing of OpenTelemetry is imported. A collector that hangs delays
no work.
"""

import os
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from amplifier_swarm.proxy import channel_options

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# How long a daemon that ends waits until its last spans are sent.
CLOSE_WITHIN_S: Final = 1.0

_log = structlog.get_logger("tracing")


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether the environment asks for traces and OpenTelemetry is installed."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(environment.get(name) for name in ENDPOINTS):
        return False
    if not (find_spec("opentelemetry") and find_spec("opentelemetry.sdk")):
        _log.warning("no traces: they need opentelemetry; pip install 'amplifier-swarm[otel]'")
        return False
    return True


def provider(
    service: str, *, instance: str, version: str, ids: "IdGenerator | None" = None
) -> "TracerProvider":
    """Returns a provider of spans; call it only if traces are wanted."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # an extra, and slow to load
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # as above

    about = {"service.name": service, "service.instance.id": instance, "service.version": version}
    # `close` ends it: the exit hook of the interpreter would wait for the collector without a bound.
    made = TracerProvider(resource=Resource.create(about), id_generator=ids, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(_exporter()))
    return made


def close(made: "TracerProvider", *, within_s: float = CLOSE_WITHIN_S) -> None:
    """Sends the last spans; gives up after `within_s`."""
    sending = threading.Thread(target=made.shutdown, name="traces", daemon=True)
    sending.start()
    sending.join(within_s)


def _exporter() -> "SpanExporter":
    from urllib.parse import urlsplit  # noqa: PLC0415  # as above

    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415  # as above
        OTLPSpanExporter,
    )

    url = urlsplit(next(filter(None, map(os.environ.get, reversed(ENDPOINTS))), ""))
    address = url.netloc or url.path
    # The same rule as for a swarmd: no proxy between this machine and a collector on it, or one without TLS.
    direct = channel_options(address, tls=url.scheme == "https")
    return OTLPSpanExporter(channel_options=cast("Any", direct) or None)
