"""An OperatorService with canned answers for the client's tests: real gRPC without a server behind it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from amplifier_swarm.errors import WireError, pack
from amplifier_swarm.v1 import operator_service_pb2 as wire

TOKEN = "swt1_operator_test_secret"
_SERVICE = wire.DESCRIPTOR.services_by_name["OperatorService"]

# The answer of a method: a message, an error, for a stream several of them; or a function of the request.
Answer = Any


@dataclass
class FakeOperator:
    """A service that returns the set answers, and keeps its requests."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    address: str = ""
    # Set when the operator is about to stop.
    over: threading.Event = field(default_factory=threading.Event)

    def asked(self, method: str) -> list[Any]:
        """Returns the requests of one method, in order."""
        return [request for name, request in self.requests if name == method]

    def silence(self, _request: object) -> Iterator[Any]:
        """Returns a stream that stays open and sends nothing."""
        self.over.wait()
        yield from ()

    def answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        """Returns the method's answer to this request."""
        if ("authorization", f"Bearer {TOKEN}") not in context.invocation_metadata():
            refusal = WireError(grpc.StatusCode.UNAUTHENTICATED, "unknown token", "TOKEN_INVALID")
            context.abort_with_status(pack(refusal))
        self.requests.append((method, request))
        found = self.answers.get(method)
        if callable(found):
            found = found(request)
        if isinstance(found, WireError):
            context.abort_with_status(pack(found))
        return found


@contextmanager
def serving(
    operator: FakeOperator, credentials: grpc.ServerCredentials | None = None
) -> Iterator[FakeOperator]:
    """Serves the operator on a port of this machine."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    handlers = {method.name: _handler(operator, method) for method in _SERVICE.methods}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers)])
    # By address: a name may stand for two addresses, and the port of the other may belong to another program.
    address = "127.0.0.1:0"
    port = (
        server.add_insecure_port(address)
        if credentials is None
        else server.add_secure_port(address, credentials)
    )
    operator.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield operator
    finally:
        operator.over.set()
        server.stop(0).wait()


def _handler(operator: FakeOperator, method: Any) -> Any:
    request_type = getattr(wire, method.input_type.name)

    def unary(request: Any, context: grpc.ServicerContext) -> Message:
        found: Message = operator.answer(method.name, request, context)
        return found

    def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
        for found in operator.answer(method.name, request, context):
            if isinstance(found, WireError):
                context.abort_with_status(pack(found))
            yield found

    def gathered(requests: Iterator[Any], context: grpc.ServicerContext) -> Message:
        return unary(list(requests), context)

    make: Callable[..., Any]
    behaviour: Callable[..., Any]
    if method.client_streaming:
        make, behaviour = grpc.stream_unary_rpc_method_handler, gathered
    elif method.server_streaming:
        make, behaviour = grpc.unary_stream_rpc_method_handler, stream
    else:
        make, behaviour = grpc.unary_unary_rpc_method_handler, unary
    return make(
        behaviour,
        request_deserializer=request_type.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
