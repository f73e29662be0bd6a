"""Artifacts: files that an attempt leaves for people. Their names and contents come from sessions, so they are data."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from swarmd.domain.model import Order, WorkerName

MAX_NAME: Final = 1_000
# Artifacts that the attempts of a task may have together: a list of them fits into one message.
MAX_PER_TASK: Final = 1_000


@dataclass(frozen=True, slots=True)
class ArtifactLimits:
    """The limits that the operator of the server has set."""

    file_bytes: int = 100 * 1024 * 1024
    task_bytes: int = 500 * 1024 * 1024
    total_bytes: int = 10 * 1024 * 1024 * 1024
    keep_s: float = 30 * 86_400


@dataclass(frozen=True, slots=True)
class ArtifactUpload:
    """An artifact that a worker uploads under a lease; `name` is its path inside the workspace."""

    worker: WorkerName
    lease_id: str
    name: str
    size: int


class ArtifactRecord(NamedTuple):
    """A stored artifact; `number` is that of its attempt."""

    number: int
    name: str
    size: int
    sha256: str
    stored_us: int


class ArtifactUsage(NamedTuple):
    """The artifacts of a task and their bytes, and the bytes of all artifacts of all tasks."""

    artifacts: int
    task_bytes: int
    total_bytes: int


class UploadAnswer(NamedTuple):
    """The answer to an upload: the SHA-256 of what is stored, or an order instead."""

    sha256: str = ""
    order: Order | None = None


def name_problem(name: str) -> str | None:
    """Returns why the text can't name an artifact; None if it can."""
    if not 1 <= len(name) <= MAX_NAME:
        return f"must have from 1 to {MAX_NAME:,} characters"
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        return "must be a relative path inside the workspace, without `.`, `..` and NUL"
    return None


def refusal(upload: ArtifactUpload, usage: ArtifactUsage, limits: ArtifactLimits) -> str | None:
    """Returns the limit that the artifact would exceed; None if there is room."""
    if upload.size > limits.file_bytes:
        return f"it has {upload.size:,} bytes, and --artifact-file-limit allows {limits.file_bytes:,}"
    if usage.artifacts >= MAX_PER_TASK:
        return f"the task has {usage.artifacts:,} artifacts already, the most that a task may have"
    if usage.task_bytes + upload.size > limits.task_bytes:
        return f"its task would have more than the {limits.task_bytes:,} bytes of --artifact-task-limit"
    if usage.total_bytes + upload.size > limits.total_bytes:
        return (
            f"all artifacts would have more than the {limits.total_bytes:,} bytes of --artifact-total-limit"
        )
    return None
