"""The wrapper of every RPC method: the token comes first, then the size, then the message."""

from typing import Any

import grpc
import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from support.clock import FakeClock, FakeEntropy
from swarmd.domain.errors import TooManyStreams
from swarmd.domain.model import Role
from swarmd.engine.auth.tokens import TokenRegistry
from swarmd.engine.live.session_grants import SessionGrants
from swarmd.engine.observer import NullObserver
from swarmd.rpc import limits
from swarmd.rpc.auth import AuthWrapper
from swarmd.rpc.limits import OneAtATime
from swarmd.store.tokens import TokenRecord

SERVICE = "amplifier_swarm.v1.OperatorService"
VIEWER = TokenRecord("1", Role.VIEWER, "v", b"", 0, None)


class Aborted(Exception):
    """The end of a call with a status."""


class Context:
    """A call's context with raw messages, counted as they are read; it keeps the status."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = list(messages)
        self.reads = 0
        self.status: Any = None

    async def read(self) -> Any:
        self.reads += 1
        return self._messages.pop(0) if self._messages else grpc.aio.EOF

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return [("authorization", "Bearer token")]

    async def abort_with_status(self, status: Any) -> None:
        self.status = status
        raise Aborted

    def reason(self) -> tuple[grpc.StatusCode, str]:
        return self.status.code, self.status.details


class Tokens(TokenRegistry):
    """Tokens of which one is good, if any is."""

    def __init__(self, found: TokenRecord | None) -> None:
        super().__init__(FakeClock(), FakeEntropy())
        self._found = found

    def verify(self, token: str) -> TokenRecord:
        return super().verify(token) if self._found is None else self._found


def wrapped(token: TokenRecord | None, *, method: str = "GetTask", decoded: list[bytes] | None = None) -> Any:
    """Returns the registered handler of a method that answers with the id that it was asked for."""
    registered: dict[str, Any] = {}

    class Server:
        def add_registered_method_handlers(self, _service: str, handlers: dict[str, Any]) -> None:
            registered.update(handlers)

    async def get(request: Any, _context: Any) -> str:
        return str(request.task_id)

    def decode(data: bytes) -> Any:
        if decoded is not None:
            decoded.append(data)
        return pb.GetTaskRequest.FromString(data)

    registrar = AuthWrapper(Tokens(token), SessionGrants(lambda _: True), NullObserver()).registrar(Server())  # type: ignore[arg-type]
    handler: Any = grpc.unary_unary_rpc_method_handler(get, request_deserializer=decode)
    registrar.add_registered_method_handlers(SERVICE, {method: handler})

    async def call(context: Context) -> Any:
        return await registered[method].stream_unary(None, context)

    return call


REQUEST = pb.GetTaskRequest(task_id="a").SerializeToString()


async def test_a_message_is_decoded_for_a_good_token() -> None:
    assert await wrapped(VIEWER)(Context(REQUEST)) == "a"


async def test_without_a_token_no_message_is_read_or_decoded() -> None:
    decoded: list[bytes] = []
    context = Context(REQUEST)

    with pytest.raises(Aborted):
        await wrapped(None, decoded=decoded)(context)

    assert context.status.code is grpc.StatusCode.UNAUTHENTICATED
    assert (context.reads, decoded) == (0, [])


async def test_a_role_that_may_not_call_a_method_has_no_message_read_either() -> None:
    context = Context(REQUEST)

    with pytest.raises(Aborted):
        await wrapped(VIEWER, method="KillTask")(context)

    assert (context.status.code, context.reads) == (grpc.StatusCode.PERMISSION_DENIED, 0)


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ((b"\x0a\x02\xff\xfe",), "request: is not a message of this method"),
        ((b"x" * (limits.MAX_REQUEST_BYTES + 1),), "request: has 1,048,577 bytes; send at most 1,048,576 in a call of"),
        ((), "request: is missing; send one message"),
    ],
    ids=["malformed", "too long", "none"],
)  # fmt: skip
async def test_a_bad_message_is_an_invalid_request(messages: tuple[bytes, ...], problem: str) -> None:
    context = Context(*messages)

    with pytest.raises(Aborted):
        await wrapped(VIEWER)(context)

    assert context.status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert context.status.details.startswith(problem)


def test_a_method_that_runs_one_at_a_time_refuses_the_second_call_and_takes_the_next() -> None:
    backups = OneAtATime("Backup")

    with backups.run(), pytest.raises(TooManyStreams, match="1 calls of Backup are open"), backups.run():
        pass
    with backups.run():
        pass
