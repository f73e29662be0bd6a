"""An OpenTelemetry collector in this process: receives spans by OTLP over real gRPC and keeps them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class ReceivedSpan:
    """A span and the service that made it."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    error: str
    lasted_ns: int


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """The collector's port and the spans that it has received."""

    port: int = 0
    spans: list[ReceivedSpan] = field(default_factory=list)
    # While it is clear, exporters get no answer.
    open: threading.Event = field(default_factory=threading.Event)
    callers: int = 0

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # its name is the contract's
        self.callers += 1
        self.open.wait(60)
        for resource in request.resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            self.spans += [
                _received_span(service, span) for scope in resource.scope_spans for span in scope.spans
            ]
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, service: str, name: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if (span.service, span.name) == (service, name)]


@contextmanager
def collector() -> Iterator[Collector]:
    """Runs a collector on a free port for the duration of the block."""
    found = Collector()
    found.open.set()
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(found, server)  # type: ignore[no-untyped-call]  # as it is shipped
    found.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield found
    finally:
        found.open.set()
        server.stop(0).wait()


def _received_span(service: str, span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        error=span.status.message if span.status.code == 2 else "",
        lasted_ns=span.end_time_unix_nano - span.start_time_unix_nano,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
