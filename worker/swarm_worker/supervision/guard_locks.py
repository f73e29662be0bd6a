"""Locks that guards hold until nothing of their session is left."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.storage.state_dir import StateFolder

_log = structlog.get_logger()

# A guard of a killed worker needs its grace period and a moment.
GUARDS_END_S: Final = 60.0
LOOK_S: Final = 0.05


def wait_for_guards(folder: StateFolder, *, timeout_s: float) -> None:
    """Returns when the last guard of a former process has ended; raises Exit if one does not."""
    deadline = time.monotonic() + timeout_s
    waiting = False
    while alive := [path for path in _lock_files(folder) if not forget_ended_guard(path)]:
        if not waiting:
            _log.info("waiting for the sessions of the former process to end", sessions=len(alive))
            waiting = True
        if time.monotonic() > deadline:
            raise ProgramExit(
                ExitCode.CONFLICT,
                f"the session {alive[0].stem} of the former process of {folder.name!r} does not end",
                hint="give another --name, or end it",
            )
        time.sleep(LOOK_S)


def lock_for_guard(path: Path) -> int:
    """Opens and locks the file for a guard; whoever has the descriptor has the lock."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def forget_ended_guard(path: Path) -> bool:
    """Removes a guard's file if it is done with that session, and says whether it is."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    path.unlink()
    return True


def _lock_files(folder: StateFolder) -> list[Path]:
    return sorted((folder.path / "guards").glob("*.lock"))
