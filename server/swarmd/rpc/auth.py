"""Authentication, authorization, limits and error mapping, in front of every RPC method.

Invariant: no byte of a request is decoded, and none beyond gRPC's first window is read, before the token is checked.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final, TypeAlias, cast

import grpc
import structlog
from google.protobuf.message import DecodeError

from amplifier_swarm.channel import CAUSE_METADATA
from amplifier_swarm.errors import pack
from swarmd.domain.caller_errors import RoleDenied, TokenInvalid
from swarmd.domain.errors import InvalidRequest, SwarmError
from swarmd.domain.model import Role
from swarmd.domain.session_grants import PREFIX, SessionGrant
from swarmd.engine.auth.tokens import TokenRegistry
from swarmd.engine.live.session_grants import SessionGrants
from swarmd.engine.observer import Observer
from swarmd.rpc import limits
from swarmd.rpc.health import MAX_SCALER_BYTES, ProbeLimits
from swarmd.rpc.limits import OpenStreams
from swarmd.rpc.status import wire_error
from swarmd.store import failpoint
from swarmd.store.ordered_by import ORDERED_BY, OrderedBy
from swarmd.store.tokens import TokenRecord
from swarmd.wire.actions import MAX_CAUSE
from swarmd.wire.roles import OPERATOR_SERVICE, SCALER_SERVICE, SESSION_SERVICE, WORKER_SERVICE

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = grpc.aio.ServicerContext[Any, Any]
RawRequests: TypeAlias = AsyncIterator[bytes]
# Turns the raw messages of a call into what the servicer's method gets.
ReadRequest: TypeAlias = Callable[[RawRequests, Context], Awaitable[Any]]

SESSION_PREFIX: Final = "/amplifier_swarm.v1.SessionService/"
SCALER_PREFIX: Final = "/externalscaler.ExternalScaler/"
_SERVICES: Final = {
    "/amplifier_swarm.v1.WorkerService/": WORKER_SERVICE,
    "/amplifier_swarm.v1.OperatorService/": OPERATOR_SERVICE,
    SESSION_PREFIX: SESSION_SERVICE,
    SCALER_PREFIX: SCALER_SERVICE,
}
# The roles that may call each method. A method without an entry is refused for every role.
ROLES: Final[dict[str, frozenset[Role]]] = {
    **{f"{prefix}{name}": roles for prefix, table in _SERVICES.items() for name, roles in table.items()},
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": frozenset(Role),
}
# Health probes need no token; they learn only if the server serves. See rpc/health.py.
OPEN: Final = frozenset({"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"})

# The one method for join tokens, and for no other kind.
JOIN: Final = "/amplifier_swarm.v1.WorkerService/JoinSwarm"

# The role of a session's token, in errors.
SESSION_ROLE: Final = "session"
# A worker may have a token of an operator, and gives no orders with it.
ORDERS: Final = "/amplifier_swarm.v1.OperatorService/"

# The token id that counts the streams of callers without a token.
NO_TOKEN: Final = ""
_NOT_COUNTED: Final = contextlib.nullcontext()
# The token of the call that the current task serves; None for a call inside this process.
CALLER: Final[ContextVar[TokenRecord | None]] = ContextVar("CALLER", default=None)
# The session that makes the call which the current task serves.
SESSION: Final[ContextVar[SessionGrant]] = ContextVar("SESSION")

_log = structlog.get_logger("swarmd.rpc")


class AuthWrapper:
    """A wrapper of every method: it checks the token and the role, then maps errors to statuses in this one place.

    Methods are wrapped when they are registered, because a gRPC interceptor looks the method up again at every call.
    All are registered as methods that take a stream of raw bytes, which is the same on the wire: gRPC calls such a
    method before it reads the request, so a caller without a token can't make the server hold or decode a message.
    """

    def __init__(
        self, tokens: TokenRegistry, sessions: SessionGrants, observer: Observer, *, scaler_open: bool = False
    ) -> None:
        """With `scaler_open`, the methods of KEDA's protocol need no token."""
        self._tokens = tokens
        self._sessions = sessions
        self._observer = observer
        self._streams = OpenStreams()
        self._probes = ProbeLimits()
        self._scaler_open = scaler_open
        self._scaler_calls = ProbeLimits("the scaler protocol", max_bytes=MAX_SCALER_BYTES)
        tokens.on_revoked = self._streams.end_streams

    def registrar(self, server: grpc.aio.Server) -> grpc.aio.Server:
        """Returns a stand-in for the server that generated code registers services with; it wraps their methods."""
        return cast("grpc.aio.Server", _Registrar(server, self._wrap))

    def _wrap(self, method: str, handler: Handler) -> Handler:
        if method in OPEN:
            return self._probes.wrap(method, handler)
        decode = _decoder(method, handler.request_deserializer)
        serialize = handler.response_serializer
        if handler.response_streaming:
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
            read = _stream_reader(decode) if handler.request_streaming else self._reader(method, decode)
            stream = self._stream(method, read, cast("Any", inner))
            return grpc.stream_stream_rpc_method_handler(stream, response_serializer=serialize)
        if handler.request_streaming:
            call = self._call(method, _stream_reader(decode), cast("Any", handler.stream_unary), counted=True)
        else:
            read = self._reader(method, decode)
            call = self._call(method, read, cast("Any", handler.unary_unary), counted=False)
        return grpc.stream_unary_rpc_method_handler(call, response_serializer=serialize)

    def _call(
        self, method: str, read: ReadRequest, inner: Callable[..., Awaitable[Any]], *, counted: bool
    ) -> Callable[..., Awaitable[Any]]:
        """Wraps a method with a single response; `counted` if its requests are a stream that may last long."""
        name = method.rpartition("/")[2]

        async def call(raw: RawRequests, context: Context) -> Any:
            started_s, refusal = time.perf_counter(), ""
            try:
                token_id = self._authorize(method, context)
                with self._streams.hold(token_id, name) if counted else _NOT_COUNTED:
                    response = await inner(await read(raw, context), context)
                if failpoint.is_armed():
                    _hit_failpoints(name, context)
            except SwarmError as error:
                refusal = error.reason
                await context.abort_with_status(pack(wire_error(error)))
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
        self, method: str, read: ReadRequest, inner: Callable[..., AsyncIterator[Any]]
    ) -> Callable[..., AsyncIterator[Any]]:
        """Wraps a method with a stream of responses."""
        name = method.rpartition("/")[2]

        async def call(raw: RawRequests, context: Context) -> AsyncIterator[Any]:
            try:
                token_id = self._authorize(method, context)
                with self._streams.hold(token_id, name) as stream:
                    async for response in inner(await read(raw, context), context):
                        failpoint.hit(f"{name}.reply")
                        stream.sending = True
                        yield response
                        stream.sending = False
                        failpoint.hit(f"{name}.replied")
                        stream.check()
            except SwarmError as error:
                await context.abort_with_status(pack(wire_error(error)))
            except (asyncio.CancelledError, GeneratorExit, grpc.aio.AbortError):
                raise
            except Exception:
                _log.exception("a stream failed", method=method)
                raise

        return call

    def _reader(self, method: str, decode: Callable[[bytes], Any]) -> ReadRequest:
        if not self._is_open(method):
            return _single_reader(decode)
        return lambda raw, _context: self._scaler_calls.read(raw, decode)

    def _is_open(self, method: str) -> bool:
        return self._scaler_open and method.startswith(SCALER_PREFIX)

    def _authorize(self, method: str, context: Context) -> str:
        """Returns the id of the caller's token; raises TokenInvalid, SessionOver or RoleDenied."""
        if self._is_open(method):
            return NO_TOKEN
        text = bearer_token(context)
        if text.startswith(PREFIX):
            return self._authorize_session(method, text)
        token = self._tokens.verify_join(text) if method == JOIN else self._tokens.verify(text)
        if method != JOIN and token.role not in ROLES.get(method, frozenset()):
            raise RoleDenied(token.role, method.rpartition("/")[2])
        CALLER.set(token)
        if method.startswith(ORDERS):
            ORDERED_BY.set(OrderedBy(token.name, _cause_of(context)))
        return token.token_id

    def _authorize_session(self, method: str, text: str) -> str:
        """Returns the id of a session's token, which opens SessionService and nothing else."""
        grant = self._sessions.verify(text)
        if not method.startswith(SESSION_PREFIX):
            raise RoleDenied(SESSION_ROLE, method.rpartition("/")[2])
        SESSION.set(grant)
        return grant.token.token_id


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


def _decoder(method: str, deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    """Returns the function that checks the size of a message and decodes it."""
    name = method.rpartition("/")[2]
    assert deserialize is not None

    def decode(data: bytes) -> Any:
        limits.check_size(name, data)
        try:
            return deserialize(data)
        except DecodeError:
            raise InvalidRequest("request", "is not a message of this method") from None

    return decode


def _single_reader(decode: Callable[[bytes], Any]) -> ReadRequest:
    # Performance: a loop over the iterator that ends early costs a task, which closes the generator behind it.
    async def read(_raw: RawRequests, context: Context) -> Any:
        if (data := await context.read()) is grpc.aio.EOF:
            raise InvalidRequest("request", "is missing; send one message")
        return decode(data)

    return read


def _stream_reader(decode: Callable[[bytes], Any]) -> ReadRequest:
    async def decoded(raw: RawRequests) -> AsyncIterator[Any]:
        async for data in raw:
            yield decode(data)

    async def read(raw: RawRequests, _context: Context) -> AsyncIterator[Any]:
        return decoded(raw)

    return read


def _hit_failpoints(name: str, context: Any) -> None:
    failpoint.hit(f"{name}.reply")
    context.add_done_callback(lambda _: failpoint.hit(f"{name}.replied"))


def _cause_of(context: Context) -> str:
    """Returns the reason that came with the call; raises InvalidRequest if it is too long."""
    for key, value in context.invocation_metadata() or ():
        if key == CAUSE_METADATA and isinstance(value, bytes):
            cause = value.decode(errors="replace")
            if len(cause) > MAX_CAUSE:
                raise InvalidRequest("cause", f"has {len(cause)} characters; at most {MAX_CAUSE}")
            return cause
    return ""


def bearer_token(context: Context) -> str:
    """Returns the bearer token of the call.

    Raises: TokenInvalid if there is none.
    """
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return value.removeprefix("Bearer ")
    raise TokenInvalid
