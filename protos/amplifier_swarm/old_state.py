"""The move of state that an earlier version kept in the project, to the state folder of the project.

Invariant: state that another user or a clone may have brought is never taken over, and state in use is never
moved.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import (
    ADDRESS,
    IGNORE_FILE,
    PROJECT_FOLDER,
    PROMPTS,
    RUN_WORKERS,
    WORKER,
    ProjectState,
    make_state_folder,
    working_folder,
)

DATABASE: Final = "swarm.db"
_LOCK: Final = "lock"
# These belong to the project, or to a worker that moves them itself.
_LEFT: Final = frozenset({PROMPTS, ADDRESS, IGNORE_FILE, WORKER})
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class FoundState:
    """The state to use, and a line for the user if an earlier version's was found."""

    state: ProjectState
    note: str = ""


def server_state(state: ProjectState) -> FoundState:
    """Moves the database, and whatever lies beside it, from `.swarm/` to the state folder.

    Earlier versions kept it in the working directory.

    Raises:
        ProgramExit: A server of an earlier version has the old database open.
    """
    old = _old_folder(state, DATABASE)
    if old is None or (state.folder / DATABASE).exists():
        return FoundState(state)
    if problem := _distrusted(old, old / DATABASE):
        return FoundState(state, f"{old / DATABASE} is not used: {problem}; if it is yours, pass it by --db")
    if not _movable(old, state):
        note = f"the state stays in {old}, since {state.folder} is on another disk"
        return FoundState(replace(state, folder=old), note)
    with _held(old / f"{DATABASE}.lock", old):
        locks = sorted(old.glob(f"{RUN_WORKERS}/*/{_LOCK}"))
        if held := next((lock for lock in locks if _is_held(lock)), None):
            raise ProgramExit(
                ExitCode.CONFLICT, f"a worker still uses the old state in {held.parent}", hint="end it first"
            )
        # The database moves last, so that an interrupted move is continued by the next start.
        names = sorted((path.name for path in old.iterdir()), key=lambda name: name == DATABASE)
        _move(old, state, [name for name in names if name not in _LEFT])
    return FoundState(state, f"the state of this project has moved from {old} to {state.folder}")


def worker_state(state: ProjectState) -> FoundState:
    """Moves the worker's folder from `.swarm/` to the state folder; one in use stays where it is."""
    old = _old_folder(state, WORKER)
    if old is None or (state.folder / WORKER).exists():
        return FoundState(state)
    if problem := _distrusted(old, old / WORKER):
        note = f"{old / WORKER} is not used: {problem}; if it is yours, pass it by --state-dir"
        return FoundState(state, note)
    in_use = any(_is_held(lock) for lock in (old / WORKER).glob(f"*/{_LOCK}"))
    if in_use or not _movable(old, state):
        reason = "another worker uses it" if in_use else f"{state.folder} is on another disk"
        return FoundState(replace(state, folder=old), f"the state stays in {old / WORKER}, since {reason}")
    _move(old, state, [WORKER])
    return FoundState(state, f"the worker's state has moved from {old / WORKER} to {state.folder / WORKER}")


def _old_folder(state: ProjectState, name: str) -> Path | None:
    """Returns the `.swarm/` of the working directory or of the project that holds the file or folder."""
    folders = (working_folder() / PROJECT_FOLDER, state.project / PROJECT_FOLDER)
    return next((folder for folder in folders if (folder / name).exists()), None)


def _distrusted(*paths: Path) -> str:
    """Returns why the state may have come from somebody else; empty if it is private and ours.

    Git makes neither private files nor private folders, so a clone is known by the mode of its last path.
    """
    for path in paths:
        forbidden = _OTHERS if path == paths[-1] else stat.S_IWGRP | stat.S_IWOTH
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return f"{path} is a link"
        if found.st_uid != os.getuid():
            return f"{path} belongs to another user"
        if found.st_mode & forbidden:
            return (
                f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}), as in a fresh clone"
            )
    # A clone under the umask 077 is private too.
    with suppress(OSError):
        index = (paths[0].parent / ".git" / "index").read_bytes()
        # Version 4 of the index shortens paths to what differs from the one before.
        name = paths[-1].name if index[4:8] == b"\0\0\0\4" else f"{PROJECT_FOLDER}/{paths[-1].name}"
        if name.encode() in index:
            return "it is in the project's git repository"
    return ""


def _movable(old: Path, state: ProjectState) -> bool:
    make_state_folder(state)
    return old.stat().st_dev == state.folder.stat().st_dev


def _move(old: Path, state: ProjectState, names: list[str]) -> None:
    make_state_folder(state)
    for name in names:
        target = state.folder / name
        if not target.is_dir():
            (old / name).rename(target)


@contextmanager
def _held(lock: Path, folder: Path) -> Iterator[None]:
    """Holds the lock of the old database inside the context."""
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        pid = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        raise ProgramExit(
            ExitCode.NOT_FOUND,
            f"another swarmd has the old database in {folder} open (pid {pid})",
            hint=f"use that one, or end it with `kill {pid}`: its state then moves out of the project",
        ) from error
    finally:
        os.close(fd)


def _is_held(lock: Path) -> bool:
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
