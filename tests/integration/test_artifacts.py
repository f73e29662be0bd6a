"""Artifacts over gRPC and HTTP: who may store and read them, and how a browser gets them."""

import hashlib
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from support.grpc_worker import GrpcWorker
from support.server import Client, refusal
from support.web import Web

PAGE = b"<script>alert(1)</script>"
HOSTILE = 'shots/a"\r\nSet-Cookie: x=1\u202e;.html'


def upload(claim: worker_pb.Claim, name: str, content: bytes, **fields: Any) -> Any:
    made: dict[str, Any] = {"worker": "w1", "lease_id": claim.lease_id, "name": name, "size": len(content)}
    return worker_pb.ArtifactUpload(**(made | fields))


def messages(head: worker_pb.ArtifactUpload, *chunks: bytes) -> Iterator[worker_pb.PutArtifactRequest]:
    yield worker_pb.PutArtifactRequest(upload=head)
    for chunk in chunks:
        yield worker_pb.PutArtifactRequest(chunk=chunk)


async def put(client: Client, requests: Iterator[worker_pb.PutArtifactRequest]) -> Any:
    return await client.worker.PutArtifact(requests, metadata=client.metadata, timeout=20)


async def content(client: Client, **request: Any) -> bytes:
    call = client.operator.GetArtifact(pb.GetArtifactRequest(**request), metadata=client.metadata, timeout=20)
    return b"".join([answer.chunk async for answer in call])


async def running(dashboard: Web) -> worker_pb.Claim:
    """Adds a task and starts its builder."""
    client = dashboard.server.client()
    await client.add(TaskDefinition(task_id="task-1", artifacts=["shots/*"]))
    worker = GrpcWorker(client)
    claim = await worker.claim()
    await worker.start(claim)
    return claim


async def test_a_file_is_uploaded_listed_and_streamed_back(dashboard: Web) -> None:
    claim = await running(dashboard)
    large = bytes(range(256)) * 4_096
    worker = dashboard.server.client(await dashboard.token("worker"))
    viewer = dashboard.server.client(await dashboard.token("viewer"))

    stored = await put(worker, messages(upload(claim, "large", large), large[:300_000], large[300_000:]))
    empty = await put(worker, messages(upload(claim, "empty", b"")))

    assert stored.sha256 == hashlib.sha256(large).hexdigest()
    assert empty.sha256 == hashlib.sha256(b"").hexdigest()
    listed = await viewer.call("ListArtifacts", pb.ListArtifactsRequest(task_id="task"))
    assert [(one.name, one.size, one.attempt) for one in listed.artifacts] == [
        ("empty", 0, 1),
        ("large", len(large), 1),
    ]
    assert await content(viewer, task_id="task-1", name="large") == large
    assert await content(viewer, task_id="task-1", name="empty") == b""


async def test_each_role_has_its_own_direction(dashboard: Web) -> None:
    claim = await running(dashboard)
    worker = dashboard.server.client(await dashboard.token("worker"))
    viewer = dashboard.server.client(await dashboard.token("viewer"))

    assert (await refusal(put(viewer, messages(upload(claim, "a", b""))))).reason == "ROLE_DENIED"
    assert (await refusal(content(worker, task_id="task-1", name="a"))).reason == "ROLE_DENIED"
    listing = worker.call("ListArtifacts", pb.ListArtifactsRequest(task_id="task-1"))
    assert (await refusal(listing)).reason == "ROLE_DENIED"


async def test_bad_uploads_are_refused_with_a_reason(dashboard: Web) -> None:
    claim = await running(dashboard)
    client = dashboard.server.client()

    foreign = await put(client, messages(upload(claim, "a", b"", worker="other")))
    assert foreign.order.cause == "the lease has ended"
    for head in (
        upload(claim, "../a", b""),
        upload(claim, "/a", b""),
        upload(claim, "a", b"", size=-1),
        upload(claim, "a", b"", size=1),
        upload(claim, "a\0", b""),
    ):
        assert (await refusal(put(client, messages(head)))).reason == "INVALID_REQUEST"
    assert (await refusal(put(client, iter([worker_pb.PutArtifactRequest(chunk=b"x")])))).reason == (
        "INVALID_REQUEST"
    )
    assert (await refusal(put(client, iter([])))).reason == "INVALID_REQUEST"
    large = await refusal(put(client, messages(upload(claim, "a", b"", size=2**40))))
    assert (large.reason, large.code) == ("ARTIFACT_REFUSED", grpc.StatusCode.RESOURCE_EXHAUSTED)
    missing = await refusal(content(client, task_id="task-1", name="a"))
    assert (missing.reason, missing.code) == ("ARTIFACT_NOT_FOUND", grpc.StatusCode.NOT_FOUND)
    assert (await refusal(content(client, task_id="other", name="a"))).reason == "TASK_NOT_FOUND"


async def test_a_browser_saves_a_file_and_never_shows_it(dashboard: Web) -> None:
    claim = await running(dashboard)
    await put(dashboard.server.client(), messages(upload(claim, HOSTILE, PAGE), PAGE))
    program = dashboard.program(await dashboard.token("viewer"))

    [listed] = (await program.get("/api/tasks/task-1/artifacts"))["artifacts"]
    found = await dashboard.http.get(
        "/api/tasks/task-1/artifacts/content", params={"name": listed["name"]}, headers=program.headers
    )

    assert listed["name"] == HOSTILE
    assert found.content == PAGE
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"] == "sandbox"
    assert found.headers["cache-control"] == "no-store"
    assert "set-cookie" not in found.headers
    assert found.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%3D1%E2%80%AE%3B.html"
    )


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ({"name": "none"}, 404, "ARTIFACT_NOT_FOUND"),
        ({}, 400, "INVALID_REQUEST"),
        ({"name": "x" * 1_001}, 400, "INVALID_REQUEST"),
        ({"name": "a", "attempt": "-1"}, 400, "INVALID_REQUEST"),
    ],
)
async def test_a_request_for_no_artifact_says_so(
    dashboard: Web, query: dict[str, str], status: int, reason: str
) -> None:
    await running(dashboard)

    answer = await dashboard.program().get("/api/tasks/task-1/artifacts/content", expect=status, **query)

    assert answer["error"]["reason"] == reason


async def test_without_a_token_nothing_is_sent(dashboard: Web) -> None:
    await running(dashboard)

    for path in ("artifacts", "artifacts/content?name=a"):
        assert (await dashboard.http.get(f"/api/tasks/task-1/{path}")).status_code == 401
