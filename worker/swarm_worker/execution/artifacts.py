"""The upload of the files that an attempt leaves for people.

Invariant: whatever goes wrong costs a line of the log, and never the attempt.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Assignment
from swarm_worker.domain.ports import ArtifactSink, Notes
from swarm_worker.workspace.artifacts import NotAFile, artifact_name, find_artifacts, open_artifact

# The uploads of one attempt end after this time, so that a server which hangs does not hold the attempt.
UPLOADS_S: Final = 600.0
SHOWN_CHARS: Final = 200


async def upload_artifacts(sink: ArtifactSink, assignment: Assignment, root: Path, log: Notes) -> None:
    """Uploads the files below `root` that match the task's patterns, one after the other."""
    try:
        found = await asyncio.to_thread(find_artifacts, root, assignment.task.artifacts)
    except OSError as error:
        log.note(f"no artifact is stored: {root}: {error.strerror}")
        return
    for remark in found.remarks:
        log.note(f"artifacts: {one_line(remark, SHOWN_CHARS)}")
    stored: list[str] = []
    try:
        async with asyncio.timeout(UPLOADS_S):
            for path in found.paths:
                if problem := await _upload(sink, assignment, root, path):
                    log.note(f"artifact {_shown(path)} is not stored: {problem}")
                else:
                    stored.append(_shown(path))
    except TimeoutError:
        log.note(f"the other artifacts are not stored: the uploads took more than {UPLOADS_S:.0f} s")
    if stored:
        log.note(f"artifacts stored: {one_line(', '.join(stored), SHOWN_CHARS)}")


async def _upload(sink: ArtifactSink, assignment: Assignment, root: Path, path: tuple[str, ...]) -> str:
    """Uploads one file; returns why it is not stored, empty if it is."""
    try:
        with open_artifact(root, path) as file:
            size = os.fstat(file.fileno()).st_size
            return await sink.put_artifact(assignment.lease_id, artifact_name(path), file, size=size)
    except NotAFile as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def _shown(path: Sequence[str]) -> str:
    return one_line(artifact_name(tuple(path)), SHOWN_CHARS)
