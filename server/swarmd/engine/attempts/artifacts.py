"""Artifacts of attempts: uploads under a lease, reads, and the removal of what is old.

Invariant: an artifact is in the database only while its content is on the disk, unless somebody else removed the file.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final, NamedTuple, TypeAlias

from swarmd.domain.artifacts import ArtifactLimits, ArtifactRecord, ArtifactUpload, UploadAnswer, refusal
from swarmd.domain.errors import ArtifactNotFound, ArtifactRefused, InvalidRequest, StorageFull
from swarmd.domain.model import TaskId
from swarmd.engine.attempts import leases
from swarmd.engine.ports import Clock
from swarmd.engine.tasks import lookup
from swarmd.store import artifacts
from swarmd.store.attempts import LeaseRecord
from swarmd.store.database import Database
from swarmd.store.file.artifact_folder import SETTLED_S, ArtifactDraft, ArtifactFolder
from swarmd.store.file.connections import beside
from swarmd.store.transaction import ReadTx, Tx

# Finds the attempt that an artifact belongs to, None if its lease was never given.
FindAttempt: TypeAlias = Callable[[ReadTx], LeaseRecord | None]

FOLDER: Final = ".artifacts"
# The most rows of one write, so that it holds up no other for long.
EXPIRED_AT_ONCE: Final = 500


class ArtifactState(NamedTuple):
    """A stored artifact; `lost` if its content is not there."""

    record: ArtifactRecord
    lost: bool


@dataclass(frozen=True, slots=True)
class OpenArtifact:
    """A stored artifact and its content; the caller closes the file."""

    record: ArtifactRecord
    file: BinaryIO


class Upkeep(NamedTuple):
    """The result of one round: artifacts that were too old, contents without artifacts, contents that are missing."""

    expired: int
    removed: int
    lost: int


class Artifacts:
    """The artifacts of one database."""

    def __init__(self, db: Database, limits: ArtifactLimits, clock: Clock) -> None:
        self._db = db
        self._limits = limits
        self._clock = clock
        self._folder = ArtifactFolder(beside(db.path, FOLDER))
        # The bytes of uploads that are under way.
        self._reserved = 0

    async def store(
        self, upload: ArtifactUpload, chunks: AsyncIterator[bytes], *, attempt: FindAttempt | None = None
    ) -> UploadAnswer:
        """Stores an artifact, or returns an order if the worker does not hold the lease.

        With `attempt`, that attempt gets it, whatever worker and lease the upload names.

        Raises:
            ArtifactRefused: a limit is reached. InvalidRequest: the content has another size. StorageFull.
        """
        find = attempt or partial(leases.find, worker=upload.worker, lease_id=upload.lease_id)
        answer = await self._db.read(partial(self._admit, upload=upload, find=find, reserved=self._reserved))
        if answer.order is not None:
            return answer
        self._reserved += upload.size
        try:
            draft = await asyncio.to_thread(self._folder.draft)
            try:
                sha256 = await _write(draft, upload, chunks)
                await asyncio.to_thread(self._folder.keep, draft, sha256)
            finally:
                draft.discard()
            return await self._db.write(partial(self._store, upload=upload, find=find, sha256=sha256))
        except OSError as error:
            raise StorageFull(error.strerror or str(error), what="the artifact") from error
        finally:
            self._reserved -= upload.size

    async def of_task(self, task_id: str, *, number: int) -> Sequence[ArtifactState]:
        """Returns the artifacts of one attempt, of all attempts if `number` is 0; the latest attempt first."""

        def read(tx: ReadTx) -> Sequence[ArtifactRecord]:
            return artifacts.of_task(tx, lookup.resolve(tx, task_id).key, number=number)

        found = await self._db.read(read)
        return await asyncio.to_thread(self._states, found)

    async def open(self, task_id: str, name: str, *, number: int) -> OpenArtifact:
        """Opens an artifact, of the latest attempt that has one of this name if `number` is 0.

        Raises:
            ArtifactNotFound: there is none, or its content is lost.
        """

        def read(tx: ReadTx) -> tuple[TaskId, ArtifactRecord | None]:
            task = lookup.resolve(tx, task_id)
            return task.task_id, artifacts.named(tx, task.key, name, number=number)

        full_id, record = await self._db.read(read)
        if record is None:
            raise ArtifactNotFound(full_id, name)
        try:
            return OpenArtifact(record, await asyncio.to_thread(self._folder.open, record.sha256))
        except OSError as error:
            why = error.strerror or str(error)
            raise ArtifactNotFound(full_id, name, f"can't be read at the server ({why})") from error

    async def settle(self) -> Upkeep:
        """Removes what a crash has left and what is too old; call it before the first upload."""
        await asyncio.to_thread(self._folder.remove_drafts)
        return await self.prune(older_than_s=0)

    async def prune(self, *, older_than_s: float = SETTLED_S) -> Upkeep:
        """Removes artifacts beyond their retention, and contents of this age that no artifact has."""
        before_us = self._clock.wall_us() - round(self._limits.keep_s * 1_000_000)
        expire = partial(artifacts.expire, before_us=before_us, most=EXPIRED_AT_ONCE)
        expired = 0
        while found := await self._db.write(expire):
            expired += found
        known = await self._db.read(artifacts.contents)
        removed, lost = await asyncio.to_thread(self._sweep, known, older_than_s)
        return Upkeep(expired, removed, lost)

    def _admit(self, tx: ReadTx, upload: ArtifactUpload, find: FindAttempt, reserved: int) -> UploadAnswer:
        """Checks lease and limits; `reserved` bytes are promised to other uploads."""
        record = find(tx)
        if record is None or record.outcome is not None:
            return UploadAnswer(order=leases.abandon_order(upload.lease_id))
        usage = artifacts.usage(tx, record.lease, upload.name)
        usage = usage._replace(total_bytes=usage.total_bytes + reserved)
        if problem := refusal(upload, usage, self._limits):
            raise ArtifactRefused(upload.name, problem)
        return UploadAnswer()

    def _store(self, tx: Tx, upload: ArtifactUpload, find: FindAttempt, sha256: str) -> UploadAnswer:
        answer = self._admit(tx, upload, find, 0)
        record = find(tx)
        if answer.order is not None or record is None:
            return answer
        artifacts.put(tx, record.lease.attempt_key, upload, sha256)
        return UploadAnswer(sha256)

    def _states(self, records: Sequence[ArtifactRecord]) -> list[ArtifactState]:
        return [
            ArtifactState(record, not self._folder.has(record.sha256, size=record.size)) for record in records
        ]

    def _sweep(self, known: set[str], older_than_s: float) -> tuple[int, int]:
        """Removes contents that are not known; returns how many, and how many known ones are not there."""
        found = set(self._folder.contents())
        unknown = found - known
        return sum(self._folder.remove(sha256, older_than_s=older_than_s) for sha256 in unknown), len(
            known - found
        )


async def _write(draft: ArtifactDraft, upload: ArtifactUpload, chunks: AsyncIterator[bytes]) -> str:
    async for chunk in chunks:
        if draft.size + len(chunk) > upload.size:
            break
        await asyncio.to_thread(draft.write, chunk)
    else:
        if draft.size == upload.size:
            return await asyncio.to_thread(draft.finish)
    raise InvalidRequest(
        "size", f"is {upload.size:,}, and the content has another length; send the file again"
    )
