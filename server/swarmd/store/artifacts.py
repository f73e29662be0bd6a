"""Artifacts as rows; their contents are files of store.file.artifact_folder.

Invariant: a row is written only after its content is on the disk.
"""

from collections.abc import Sequence

from swarmd.domain.artifacts import ArtifactRecord, ArtifactUpload, ArtifactUsage
from swarmd.domain.model import AttemptKey, Lease, TaskKey
from swarmd.store.transaction import ReadTx, Tx


def put(tx: Tx, attempt_key: AttemptKey, upload: ArtifactUpload, sha256: str) -> None:
    """Stores an artifact in place of one with the same attempt and name."""
    tx.run("artifact_remove", attempt_key=attempt_key, name=upload.name)
    tx.run(
        "artifact_add",
        attempt_key=attempt_key,
        name=upload.name,
        sha256=sha256,
        size=upload.size,
        now_us=tx.now_us,
    )


def usage(tx: ReadTx, lease: Lease, name: str) -> ArtifactUsage:
    """Returns what is stored, without the artifact of this name that a new one would replace."""
    row = tx.one("artifact_usage", task_key=lease.task_key, attempt_key=lease.attempt_key, name=name)
    assert row is not None
    return ArtifactUsage._make(row)


def of_task(tx: ReadTx, task_key: TaskKey, *, number: int) -> Sequence[ArtifactRecord]:
    """Returns the artifacts of one attempt, of all attempts if `number` is 0; the latest attempt first."""
    return [
        ArtifactRecord._make(row) for row in tx.all("artifacts_of_task", task_key=task_key, number=number)
    ]


def named(tx: ReadTx, task_key: TaskKey, name: str, *, number: int) -> ArtifactRecord | None:
    """Returns the artifact of that name, of the latest attempt that has one if `number` is 0."""
    row = tx.one("artifact_named", task_key=task_key, name=name, number=number)
    return None if row is None else ArtifactRecord._make(row)


def contents(tx: ReadTx) -> set[str]:
    """Returns the SHA-256 of every content that an artifact has."""
    return {sha256 for (sha256,) in tx.rows("artifact_contents")}


def expire(tx: Tx, *, before_us: int, most: int) -> int:
    """Removes at most that many artifacts from before a time; returns how many."""
    return tx.run("artifact_expire", before_us=before_us, most=most)
