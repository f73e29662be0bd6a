"""Authentication, authorization and error mapping, in front of every RPC method."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias, cast

import grpc
import structlog
from google.protobuf.message import DecodeError

from amplifier_swarm.errors import pack
from swarmd.domain.errors import InvalidRequest, RoleDenied, SwarmError, TokenInvalid
from swarmd.domain.model import Role
from swarmd.engine.auth.tokens import TokenRegistry
from swarmd.engine.observer import Observer
from swarmd.rpc.status import wire_error
from swarmd.store import failpoint
from swarmd.wire.roles import OPERATOR_SERVICE, WORKER_SERVICE

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = grpc.aio.ServicerContext[Any, Any]

_SERVICES: Final = {
    "/amplifier_swarm.v1.WorkerService/": WORKER_SERVICE,
    "/amplifier_swarm.v1.OperatorService/": OPERATOR_SERVICE,
}
# The roles that may call each method. A method without an entry is refused for every role.
ROLES: Final[dict[str, frozenset[Role]]] = {
    **{f"{prefix}{name}": roles for prefix, table in _SERVICES.items() for name, roles in table.items()},
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": frozenset(Role),
}
# Health probes need no token; they learn only if the server serves.
OPEN: Final = frozenset({"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"})

_log = structlog.get_logger("swarmd.rpc")


class AuthWrapper:
    """A wrapper of every method: it checks the token and the role, then maps errors to statuses in this one place.

    Methods are wrapped when they are registered, because a gRPC interceptor looks the method up again at every call.
    """

    def __init__(self, tokens: TokenRegistry, observer: Observer) -> None:
        self._tokens = tokens
        self._observer = observer

    def registrar(self, server: grpc.aio.Server) -> grpc.aio.Server:
        """Returns a stand-in for the server that generated code registers services with; it wraps their methods."""
        return cast("grpc.aio.Server", _Registrar(server, self._wrap))

    def _wrap(self, method: str, handler: Handler) -> Handler:
        if method in OPEN:
            return handler
        requests = "stream" if handler.request_streaming else "unary"
        responses = "stream" if handler.response_streaming else "unary"
        kind = f"{requests}_{responses}"
        inner = getattr(handler, kind)
        wrap = self._stream if handler.response_streaming else self._unary
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: Handler = make(
            wrap(method, inner),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _unary(self, method: str, inner: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        name = method.rpartition("/")[2]

        async def call(request: Any, context: Context) -> Any:
            started_s, refusal = time.perf_counter(), ""
            try:
                self._check(method, context)
                response = await inner(request, context)
                _hit_failpoints(name, context)
            except SwarmError as error:
                refusal = error.reason
                await context.abort_with_status(pack(wire_error(error)))
            except DecodeError:
                # Only a stream of requests gets here: gRPC decodes a single request before the call.
                broken = InvalidRequest("request", "is not a message of this method")
                refusal = broken.reason
                await context.abort_with_status(pack(wire_error(broken)))
            except (asyncio.CancelledError, grpc.aio.AbortError):
                refusal = "CANCELLED"
                raise
            except Exception:
                refusal = "INTERNAL"
                _log.exception("a method failed", method=method)
                raise
            else:
                return response
            finally:
                self._observer.called(name, time.perf_counter() - started_s, refusal)

        return call

    def _stream(
        self, method: str, inner: Callable[..., AsyncIterator[Any]]
    ) -> Callable[..., AsyncIterator[Any]]:
        name = method.rpartition("/")[2]

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                self._check(method, context)
                async for response in inner(request, context):
                    failpoint.hit(f"{name}.reply")
                    yield response
                    failpoint.hit(f"{name}.replied")
            except SwarmError as error:
                await context.abort_with_status(pack(wire_error(error)))
            except (asyncio.CancelledError, GeneratorExit, grpc.aio.AbortError):
                raise
            except Exception:
                _log.exception("a stream failed", method=method)
                raise

        return call

    def _check(self, method: str, context: Context) -> None:
        role = self._tokens.verify(bearer_token(context)).role
        if role not in ROLES.get(method, frozenset()):
            raise RoleDenied(role, method.rpartition("/")[2])


class _Registrar:
    """The two registration methods of grpc.aio.Server that generated code calls."""

    def __init__(self, server: grpc.aio.Server, wrap: Callable[[str, Handler], Handler]) -> None:
        self._server = server
        self._wrap = wrap

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Does nothing: generated code registers the same methods by name too, and gRPC finds those sooner.

        Performance: one search less per call (docs/performance.md).
        """

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Registers the methods of a service, wrapped; see grpc.aio.Server."""
        wrapped = {name: self._wrap(f"/{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, wrapped)


def _hit_failpoints(name: str, context: Any) -> None:
    failpoint.hit(f"{name}.reply")
    if failpoint.is_armed():
        context.add_done_callback(lambda _: failpoint.hit(f"{name}.replied"))


def bearer_token(context: Context) -> str:
    """Returns the bearer token of the call.

    Raises: TokenInvalid if there is none.
    """
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return value.removeprefix("Bearer ")
    raise TokenInvalid
