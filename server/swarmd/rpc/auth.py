"""What stands before every method: who calls, whether they may, and how a refusal looks on the wire."""

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
# Who may call what. A method that is not here may be called by nobody.
ROLES: Final[dict[str, frozenset[Role]]] = {
    **{f"{prefix}{name}": roles for prefix, table in _SERVICES.items() for name, roles in table.items()},
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": frozenset(Role),
}
# Probes have no token, and learn nothing but whether the server serves.
OPEN: Final = frozenset({"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"})

_log = structlog.get_logger("swarmd.rpc")


class AuthWrapper:
    """Wraps each method once: checks the caller, then maps every refusal in this one place.

    It does so where methods are registered: an interceptor would cost every call a search of its own.
    """

    def __init__(self, tokens: TokenRegistry, observer: Observer) -> None:
        self._tokens = tokens
        self._observer = observer

    def before(self, server: grpc.aio.Server) -> grpc.aio.Server:
        """The server for those who register services: all that they add is guarded."""
        return cast("grpc.aio.Server", _Registrar(server, self._wrap))

    def _wrap(self, method: str, handler: Handler) -> Handler:
        if method in OPEN:
            return handler
        many_in = "stream" if handler.request_streaming else "unary"
        many_out = "stream" if handler.response_streaming else "unary"
        kind = f"{many_in}_{many_out}"
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
            begun_s, refusal = time.perf_counter(), ""
            try:
                self._check(method, context)
                response = await inner(request, context)
                _replying(name, context)
            except SwarmError as error:
                refusal = error.reason
                await context.abort_with_status(pack(wire_error(error)))
            except DecodeError:
                # Of a stream of requests; single ones are read, and refused, before they come here.
                broken = InvalidRequest("request", "can't be read as a message of this method")
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
                self._observer.called(name, time.perf_counter() - begun_s, refusal)

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
        role = self._tokens.verify(bearer(context)).role
        if role not in ROLES.get(method, frozenset()):
            raise RoleDenied(role, method.rpartition("/")[2])


class _Registrar:
    """What generated code calls to register a service."""

    def __init__(self, server: grpc.aio.Server, wrap: Callable[[str, Handler], Handler]) -> None:
        self._server = server
        self._wrap = wrap

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Leaves them out: the same methods are registered by name, which is found sooner."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """See grpc.aio.Server."""
        wrapped = {name: self._wrap(f"/{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, wrapped)


def _replying(name: str, context: Any) -> None:
    failpoint.hit(f"{name}.reply")
    if failpoint.is_armed():
        context.add_done_callback(lambda _: failpoint.hit(f"{name}.replied"))


def bearer(context: Context) -> str:
    """The token that came with the call; raises TokenInvalid if none did."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return value.removeprefix("Bearer ")
    raise TokenInvalid
