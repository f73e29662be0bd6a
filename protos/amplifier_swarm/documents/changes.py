"""The documents of what an attempt did to the files, and of its landing."""

from amplifier_swarm.documents import Document
from amplifier_swarm.v1.operator_service_pb2 import DiffTaskResponse
from amplifier_swarm.v1.task_pb2 import Change, ChangedFile, Landing


def landing_document(landing: Landing) -> Document:
    """Returns the commit on the target that holds the work."""
    return {
        "target": landing.target,
        "commit": landing.commit,
        "onto": landing.onto or None,
        "found": landing.found,
    }


def change_document(change: Change) -> Document:
    """Returns the changed files, without the patch."""
    return {
        "base": change.base,
        "head": change.head,
        "ref": change.ref or None,
        "files": [_file(file) for file in change.files],
        "file_count": change.file_count,
        "ignored": list(change.ignored),
    }


def diff_document(answer: DiffTaskResponse) -> Document:
    """Returns the changed files and the patch of one attempt; the patch is null if it is too long to be stored."""
    patch = answer.change.patch or None
    return {"attempt": answer.attempt, **change_document(answer.change), "patch": patch}


def _file(file: ChangedFile) -> Document:
    return {
        "path": file.path,
        "status": file.status,
        "added": file.added if file.HasField("added") else None,
        "removed": file.removed if file.HasField("removed") else None,
    }
