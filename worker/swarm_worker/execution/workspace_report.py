"""The list of the clones of a project's workers on this machine, and the removal of those whose work is safe elsewhere.

Invariant: a clone that is in use, or whose work nothing else keeps, is never removed.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.standard_streams import print_line
from swarm_worker.config import WorkerConfig
from swarm_worker.execution.attempt_note import AttemptNote, read_note
from swarm_worker.workspace.git_runner import GitFailure, UnguardedGit
from swarm_worker.workspace.keeping import WorkspaceEntry, WorkspaceState, list_workspaces, remove_workspace
from swarm_worker.workspace.mirror import open_source
from swarm_worker.workspace.source import SourceRepository

SAFE = (WorkspaceState.LANDED, WorkspaceState.KEPT)


def print_workspaces(config: WorkerConfig) -> None:
    """Prints a JSON line for each clone; with `remove_workspaces` removes those whose work is safe elsewhere.

    Raises:
        ProgramExit: the repository can't be read.
    """
    try:
        asyncio.run(_print_all(config))
    except GitFailure as error:
        hint = "pass the --project-root or the --repo of these workers"
        raise ProgramExit(ExitCode.USAGE, str(error), hint=hint) from error


async def _print_all(config: WorkerConfig) -> None:
    for base in sorted(config.state_dir.parent.glob("*-clones")):
        state_dir = base.with_name(base.name.removesuffix("-clones"))
        source = open_source(
            config.project_root.absolute(),
            base,
            repo=config.repo,
            target=config.target,
            runner=UnguardedGit(),  # this program only reads clones and removes pins
        )
        for folder in sorted(each for each in base.iterdir() if each.name != "mirrors"):
            in_use = set(_in_use(folder)) if _is_locked(state_dir / folder.name / "lock") else set()
            for entry in await list_workspaces(source, folder, in_use):
                await _print(source, entry, in_use, remove=config.remove_workspaces)


async def _print(
    source: SourceRepository, entry: WorkspaceEntry, in_use: Collection[str], *, remove: bool
) -> None:
    removed = False
    if remove and entry.state in SAFE:
        removed = not await remove_workspace(source, entry.folder, in_use)
    note = _note(entry.folder) if not removed else None
    line = {
        "task": note.task_id if note else None,
        "attempt": note.attempt if note else None,
        "state": entry.state.value,
        "bytes": entry.size,
        "age_s": round(entry.age_s),
        "folder": str(entry.folder),
        "removed": removed,
    }
    print_line(json.dumps(line))


def _in_use(folder: Path) -> Iterator[str]:
    """Yields the clones of a running worker whose attempts have not ended."""
    for each in folder.iterdir():
        note = _note(each)
        if note is None or not note.ended:
            yield each.name


def _note(folder: Path) -> AttemptNote | None:
    try:
        return read_note(folder)
    except (OSError, ValueError):
        return None


def _is_locked(lock: Path) -> bool:
    """Returns whether a worker has the state folder of the lock."""
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
