"""Reports to the server: session records, progress and outcomes, each kind in batches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import LogEntry, Usage
from swarm_worker.rpc.batcher import Batcher, BatchLimits
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, REFUSED, CallRetry, OutageLog, exit_for

RECORD_CAP_S: Final = 5.0
FINISH_CAP_S: Final = 30.0
# The first entries of a session come together; its last ones come right before its outcome, which takes them along.
PROGRESS_LINGER_S: Final = 0.05
PROGRESS_PAUSE_S: Final = 0.25
PROGRESS_BOUND: Final = 10_000
# The server answers a request for the right to land after 20 s at the latest.
LANDING_TIMEOUT_S: Final = 40.0
# A connection has at most 128 open calls. With all of them waiting for the right to land, no heartbeat gets through.
MAX_LANDING_CALLS: Final = 64
# Uploads share the connection with heartbeats, so few run at a time; the others wait.
MAX_ARTIFACT_CALLS: Final = 8
ARTIFACT_TIMEOUT_S: Final = 300.0
ARTIFACT_CHUNK: Final = 256 * 1024
# An outcome waits this long for progress that is in flight.
PROGRESS_WAIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class ProgressItem:
    """A log entry or the usage of a session."""

    lease_id: str
    session_id: str
    entry: LogEntry | None = None
    usage: Usage | None = None


class Reporter:
    """The batchers of one worker; they accept items whatever the state of the server."""

    def __init__(self, worker: str, connection: ServerConnection, *, outages: OutageLog) -> None:
        self._worker = worker
        self._connection = connection
        self._outages = outages
        self._landing_calls = asyncio.Semaphore(MAX_LANDING_CALLS)
        self._artifact_calls = asyncio.Semaphore(MAX_ARTIFACT_CALLS)
        self.records = Batcher(
            self._record, retry=CallRetry("RecordSession", outages, cap_s=RECORD_CAP_S), size_of=_size
        )
        self.outcomes = Batcher(
            self._finish, retry=CallRetry("FinishTask", outages, cap_s=FINISH_CAP_S), size_of=_size
        )
        self.progress = Batcher(
            self._report,
            retry=CallRetry("ReportProgress", outages, cap_s=RECORD_CAP_S),
            size_of=_progress_size,
            limits=BatchLimits(PROGRESS_BOUND, PROGRESS_LINGER_S, PROGRESS_PAUSE_S),
        )

    async def request_landing(self, lease_id: str) -> wire.LandTaskResponse:
        """Requests the right to land until it is granted or an order comes instead.

        Raises:
            ProgramExit: The server will never accept this worker.
        """
        retry = CallRetry("LandTask", self._outages, cap_s=RECORD_CAP_S)
        request = wire.LandTaskRequest(worker=self._worker, lease_id=lease_id)
        while True:
            try:
                async with self._landing_calls:
                    response = await self._connection.service.LandTask(
                        request, timeout=LANDING_TIMEOUT_S, metadata=self._connection.metadata
                    )
            except grpc.RpcError as error:
                failed = unpack(error)
                if end := exit_for(failed):
                    raise end from None
                await retry.wait_after(failed)
                continue
            retry.succeeded()
            if response.granted or response.HasField("order"):
                return response

    async def put_artifact(
        self, lease_id: str, name: str, file: BinaryIO, *, size: int
    ) -> wire.PutArtifactResponse:
        """Uploads the first `size` bytes of the file, in one try.

        Raises:
            RpcError: The call failed.
        """
        upload = wire.ArtifactUpload(worker=self._worker, lease_id=lease_id, name=name, size=size)
        async with self._artifact_calls:
            response: wire.PutArtifactResponse = await self._connection.service.PutArtifact(
                _upload_messages(upload, file), timeout=ARTIFACT_TIMEOUT_S, metadata=self._connection.metadata
            )
        return response

    async def _record(self, items: Sequence[wire.SessionRecord]) -> Sequence[wire.SessionAnswer]:
        request = wire.RecordSessionRequest(worker=self._worker, records=items)
        response = await self._connection.service.RecordSession(
            request, timeout=CALL_TIMEOUT_S, metadata=self._connection.metadata
        )
        return response.answers

    async def _finish(self, items: Sequence[wire.FinishedAttempt]) -> Sequence[wire.FinishResult]:
        # The last log entries of an attempt go with its outcome: no reader sees the entries after the outcome.
        try:
            async with self.progress.piggyback(PROGRESS_WAIT_S) as progress:
                return await self._deliver(items, progress)
        except grpc.RpcError as error:
            if len(items) > 1 or unpack(error).code is not REFUSED:
                raise
        # A wrong log entry or session end must not keep the outcome out: it goes once more, alone.
        [item] = items
        return await self._deliver([wire.FinishedAttempt(lease_id=item.lease_id, outcome=item.outcome)], ())

    async def _deliver(
        self, items: Sequence[wire.FinishedAttempt], progress: Sequence[ProgressItem]
    ) -> Sequence[wire.FinishResult]:
        request = wire.FinishTaskRequest(worker=self._worker, finished=items, sessions=_by_session(progress))
        response = await self._connection.service.FinishTask(
            request, timeout=CALL_TIMEOUT_S, metadata=self._connection.metadata
        )
        return response.results

    async def _report(self, items: Sequence[ProgressItem]) -> Sequence[None]:
        request = wire.ReportProgressRequest(worker=self._worker, sessions=_by_session(items))
        await self._connection.service.ReportProgress(
            request, timeout=CALL_TIMEOUT_S, metadata=self._connection.metadata
        )
        return [None] * len(items)


async def _upload_messages(
    upload: wire.ArtifactUpload, file: BinaryIO
) -> AsyncIterator[wire.PutArtifactRequest]:
    yield wire.PutArtifactRequest(upload=upload)
    async for chunk in file_chunks(file, upload.size):
        yield wire.PutArtifactRequest(chunk=chunk)


async def file_chunks(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    """Yields the first `size` bytes of a file for one try of an upload.

    A file that can't be read ends too soon, and the server refuses it. An error here would look to gRPC's caller like
    its own cancellation.
    """
    left = size
    with contextlib.suppress(OSError):
        await asyncio.to_thread(file.seek, 0)
        while chunk := await asyncio.to_thread(file.read, min(left, ARTIFACT_CHUNK)):
            left -= len(chunk)
            yield chunk


def _by_session(items: Sequence[ProgressItem]) -> Iterable[wire.SessionProgress]:
    """Returns one message a session, with its items in order."""
    sessions: dict[tuple[str, str], wire.SessionProgress] = {}
    for item in items:
        key = (item.lease_id, item.session_id)
        progress = sessions.setdefault(key, wire.SessionProgress(lease_id=key[0], session_id=key[1]))
        if item.entry is not None:
            progress.entries.append(item.entry)
        if item.usage is not None:
            progress.usage.CopyFrom(item.usage)
    return sessions.values()


def _size(message: wire.SessionRecord | wire.FinishedAttempt) -> int:
    return message.ByteSize()


def _progress_size(item: ProgressItem) -> int:
    return 64 if item.entry is None else len(item.entry.text) + 64
