"""Authorization: every method with every role."""

import hashlib
from typing import Any

import grpc
import pytest

from amplifier_swarm.errors import unpack
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_service_pb2 as session_pb
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from support.grpc_worker import GrpcWorker
from support.server import Server, refusal
from swarmd.rpc.auth import OPEN, ROLES

SERVICES = [
    *worker_pb.DESCRIPTOR.services_by_name.values(),
    *session_pb.DESCRIPTOR.services_by_name.values(),
    *pb.DESCRIPTOR.services_by_name.values(),
]
METHODS = [method for service in SERVICES for method in service.methods]
ROLE_VALUES = {"viewer": pb.ROLE_VIEWER, "worker": pb.ROLE_WORKER, "operator": pb.ROLE_OPERATOR}


async def token_of(served: Server, role: str) -> tuple[str, str]:
    made = await served.client().call("CreateToken", pb.CreateTokenRequest(role=ROLE_VALUES[role], name=role))
    return made.token, made.info.token_id


async def outcome(served: Server, token: str, method: Any) -> grpc.StatusCode:
    """Calls a method and returns the status; a stream is judged by its first message or its end."""
    client = served.client(token)
    module, service = {
        "WorkerService": (worker_pb, client.worker),
        "SessionService": (session_pb, client.session),
        "OperatorService": (pb, client.operator),
    }[method.containing_service.name]
    request = getattr(module, method.input_type.name)()
    many_in, many_out = method.client_streaming, method.server_streaming
    call = getattr(service, method.name)(
        iter([request]) if many_in else request, metadata=client.metadata, timeout=10
    )
    try:
        if many_out:
            await call.read()
            call.cancel()
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return unpack(error).code
    return grpc.StatusCode.OK


def test_every_method_of_the_contract_has_its_row_and_no_other_has() -> None:
    names = {f"/{method.containing_service.full_name}/{method.name}" for method in METHODS}

    assert names == {name for name in ROLES if "/amplifier_swarm." in name}
    assert not OPEN & set(ROLES)


@pytest.mark.parametrize("role", ROLE_VALUES)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_each_role_may_call_what_the_table_says_and_nothing_else(
    served: Server, role: str, method: Any
) -> None:
    token, _ = await token_of(served, role)

    code = await outcome(served, token, method)

    allowed = role in ROLES[f"/{method.containing_service.full_name}/{method.name}"]
    assert (code is grpc.StatusCode.PERMISSION_DENIED) is not allowed
    assert code not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_without_a_good_token_nothing_is_answered(served: Server, method: Any) -> None:
    for bad in ("", "x", "swt1_operator_000000000000_" + "A" * 43, served.token[:-1] + "é"[:0] + "_"):
        assert await outcome(served, bad, method) is grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture
async def session(served: Server) -> str:
    """The token of a running session."""
    client = served.client()
    await client.add(task_pb2.TaskDefinition(task_id="a"))
    worker = GrpcWorker(client)
    return await worker.start_with_token(await worker.claim())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_a_session_may_call_its_own_service_and_nothing_else(
    served: Server, session: str, method: Any
) -> None:
    code = await outcome(served, session, method)

    own = method.containing_service.name == "SessionService"
    assert (code is grpc.StatusCode.PERMISSION_DENIED) is not own
    assert code not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)


async def test_a_killed_session_may_call_nothing_from_then_on(served: Server, session: str) -> None:
    client = served.client(session)
    await client.call("SetProgress", session_pb.SetProgressRequest(text="half"))

    await served.client().call("KillTask", pb.KillTaskRequest(task_ids=["a"]))

    for request in (session_pb.SetProgressRequest(), session_pb.FileTaskRequest(name="x", description="y")):
        method = type(request).__name__.removesuffix("Request")
        error = await refusal(client.call(method, request))
        assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_OVER")


async def test_a_session_files_a_task_stores_a_file_and_reads_its_dependencies(
    served: Server, session: str
) -> None:
    client = served.client(session)
    filed = await client.call("FileTask", session_pb.FileTaskRequest(name="x", description="y"))
    messages = [session_pb.AddArtifactRequest(name="n.txt", size=2, chunk=b"hi")]
    stored = await client.session.AddArtifact(iter(messages), metadata=client.metadata, timeout=10)
    read = await client.call("ReadDependencies", session_pb.ReadDependenciesRequest())

    assert (filed.task_id, filed.held) == ("a-f1", True)
    assert stored.sha256 == hashlib.sha256(b"hi").hexdigest()
    assert not read.results
    listed = await served.client().call("ListArtifacts", pb.ListArtifactsRequest(task_id="a"))
    assert [one.name for one in listed.artifacts] == ["n.txt"]
    bad = [
        session_pb.AddArtifactRequest(name="../n", size=0),
        session_pb.AddArtifactRequest(name="n", size=-1),
    ]
    for message in bad:
        call = client.session.AddArtifact(iter([message]), metadata=client.metadata, timeout=10)
        assert (await refusal(call)).reason == "INVALID_REQUEST"


async def test_a_revoked_token_is_worthless_at_once(served: Server) -> None:
    token, token_id = await token_of(served, "viewer")
    viewer = served.client(token)
    await viewer.call("GetSwarm", pb.GetSwarmRequest())

    await served.client().call("RevokeToken", pb.RevokeTokenRequest(token_id=token_id))

    error = await refusal(viewer.call("GetSwarm", pb.GetSwarmRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_secrets_of_tokens_are_in_no_list_and_not_in_the_database(served: Server) -> None:
    token, _ = await token_of(served, "worker")
    secret = token.split("_", 3)[3]

    listed = await served.client().call("ListTokens", pb.ListTokensRequest())

    assert secret not in str(listed)
    assert len(listed.tokens) == 2
    for file in served.folder.glob("swarm.db*"):
        assert secret.encode() not in file.read_bytes()


async def test_the_token_file_and_the_database_are_for_their_owner_only(served: Server) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in served.folder.iterdir()}

    assert modes["token"] == 0o600
    assert all(mode & 0o077 == 0 for name, mode in modes.items() if name.startswith(("swarm.db", "token")))


async def test_health_is_open_and_reflection_asks_for_the_token(served: Server) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # noqa: PLC0415

    client = served.client()
    for name in ("", "amplifier_swarm.v1.WorkerService", "amplifier_swarm.v1.OperatorService"):
        answer = await health_pb2_grpc.HealthStub(client.channel).Check(
            health_pb2.HealthCheckRequest(service=name), timeout=10
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    with pytest.raises(grpc.aio.AioRpcError, match="token"):
        await stub.ServerReflectionInfo(iter([ask]), timeout=10).read()
    answer = await stub.ServerReflectionInfo(iter([ask]), metadata=client.metadata, timeout=10).read()
    names = {service.name for service in answer.list_services_response.service}
    assert {"amplifier_swarm.v1.WorkerService", "amplifier_swarm.v1.OperatorService"} <= names
