"""Uploads of artifacts by the reporter: tried again after an outage, few at a time, never a fault of the attempt."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from amplifier_swarm.v1 import worker_service_pb2 as wire
from support.waiting import eventually
from swarm_worker.domain.types import LeaseId
from swarm_worker.rpc.reporter import ARTIFACT_CHUNK, MAX_ARTIFACT_CALLS, Reporter
from swarm_worker.rpc.retry import OutageLog, RetryBackoff
from swarm_worker.rpc.session_reporter import ARTIFACT_TRIES, RpcSessionReporter

LEASE = LeaseId("lease")


class Uploads:
    """A fake connection that answers uploads with the codes in turn, then stores them."""

    metadata = ()

    def __init__(self, codes: Sequence[grpc.StatusCode] = (), *, order: str = "") -> None:
        self.service = self
        self.tries: list[list[wire.PutArtifactRequest]] = []
        self.open = 0
        self.answer = asyncio.Event()
        self.answer.set()
        self._codes = list(codes)
        self._order = order

    async def PutArtifact(  # noqa: N802  # the wire's name
        self, requests: AsyncIterator[wire.PutArtifactRequest], **_: Any
    ) -> wire.PutArtifactResponse:
        self.open += 1
        self.tries.append([request async for request in requests])
        await self.answer.wait()
        if self._codes:
            raise AioRpcError(self._codes.pop(0), Metadata(), Metadata(), "as the test wants it")
        order = wire.Order(cause=self._order) if self._order else None
        return wire.PutArtifactResponse(sha256="0" * 64, order=order)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryBackoff, "next_s", lambda _self: 0.0)


def reporting(uploads: Uploads) -> RpcSessionReporter:
    return RpcSessionReporter(Reporter("w", cast("Any", uploads), outages=OutageLog("here:1")))


async def put(uploads: Uploads, content: bytes, *, size: int = -1) -> str:
    return await reporting(uploads).put_artifact(
        LEASE, "a", io.BytesIO(content), size=len(content) if size < 0 else size
    )


def content_of(requests: Sequence[wire.PutArtifactRequest]) -> bytes:
    return b"".join(request.chunk for request in requests)


async def test_a_file_is_sent_in_chunks_and_no_more_of_it_than_its_size() -> None:
    uploads = Uploads()
    content = b"x" * (2 * ARTIFACT_CHUNK + 5)

    assert await put(uploads, content + b"written meanwhile", size=len(content)) == ""

    [requests] = uploads.tries
    assert requests[0].upload == wire.ArtifactUpload(worker="w", lease_id=LEASE, name="a", size=len(content))
    assert [len(request.chunk) for request in requests] == [0, ARTIFACT_CHUNK, ARTIFACT_CHUNK, 5]


async def test_an_outage_is_waited_for_and_the_file_is_sent_again_from_its_beginning() -> None:
    uploads = Uploads([grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])

    assert await put(uploads, b"content") == ""

    assert [content_of(requests) for requests in uploads.tries] == [b"content"] * 3


async def test_a_long_outage_costs_the_artifact() -> None:
    uploads = Uploads([grpc.StatusCode.UNAVAILABLE] * 99)

    assert await put(uploads, b"content") == "as the test wants it"

    assert len(uploads.tries) == ARTIFACT_TRIES


@pytest.mark.parametrize(
    "code",
    [
        *(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED),
        *(grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_a_refusal_is_the_reason_and_is_not_tried_again(code: grpc.StatusCode) -> None:
    uploads = Uploads([code])

    assert await put(uploads, b"content") == "as the test wants it"

    assert len(uploads.tries) == 1


async def test_an_order_is_the_reason() -> None:
    assert await put(Uploads(order="the lease has ended"), b"content") == "the lease has ended"


async def test_a_file_that_can_not_be_read_ends_too_soon() -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    uploads = Uploads()
    await reporting(uploads).put_artifact(LEASE, "a", Broken(), size=7)

    assert content_of(uploads.tries[0]) == b""


async def test_few_uploads_run_at_a_time() -> None:
    uploads = Uploads()
    uploads.answer.clear()
    sink = reporting(uploads)
    calls = [
        asyncio.create_task(sink.put_artifact(LEASE, "a", io.BytesIO(), size=0))
        for _ in range(MAX_ARTIFACT_CALLS + 3)
    ]
    await eventually(lambda: len(uploads.tries) == MAX_ARTIFACT_CALLS, "the first uploads are open")
    assert uploads.open == MAX_ARTIFACT_CALLS

    uploads.answer.set()

    assert await asyncio.gather(*calls) == [""] * len(calls)
