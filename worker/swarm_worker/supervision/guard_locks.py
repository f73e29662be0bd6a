"""Locks that guards hold until nothing of their session is left. This module owns the lock files.

Invariant: a lock belongs to an open file. The worker takes it and passes the descriptor on; the guard's close frees it.
The file names the guard's process, so that a later worker can continue or end a guard that was stopped.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.guard.guard_tree import ORPHAN_GRACE_S, end_guard, is_stopped, parse_process
from swarm_worker.guard.procfs import UNKILLABLE_S, Process, descendants, restore_fds, send_signal, stat
from swarm_worker.storage.state_dir import StateFolder

_log = structlog.get_logger()

# A guard of a killed worker needs its grace period and a moment.
GUARDS_END_S: Final = 60.0
# A guard that still holds its lock after this does not act; the longest grace period is ORPHAN_GRACE_S.
SILENT_GUARD_S: Final = ORPHAN_GRACE_S + 2.0
# How long the processes below such a guard are killed before the worker gives up for a time.
END_GUARD_S: Final = 5.0
LOCK_POLL_S: Final = 0.05


class GuardLock:
    """The lock of one session, as a context: the file is removed at the end, unless a guard still holds the lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        with contextlib.suppress(OSError):  # the next start of the worker removes it
            remove_if_free(self._path)

    def acquire(self) -> int:
        """Opens and locks the file; returns the descriptor, which the guard gets.

        Raises:
            OSError: a guard holds the lock (BlockingIOError), or the file can't be made.
        """
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise
        return self._fd

    def close(self) -> None:
        """Closes the worker's own descriptor; a guard that has the lock keeps it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    async def wait_free(self) -> None:
        """Waits until no guard holds the lock.

        Raises:
            OSError: nobody can tell, for UNKILLABLE_S.
        """
        self.close()
        until = time.monotonic() + UNKILLABLE_S
        while True:
            try:
                if remove_if_free(self._path):
                    return
            except OSError:
                restore_fds()
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(LOCK_POLL_S)


def wait_for_guards(folder: StateFolder, *, timeout_s: float) -> None:
    """Waits until the last guard of a former process of the worker has ended.

    A stopped guard is continued. A guard that takes longer than its grace period is killed, after everything below it.

    Raises:
        ProgramExit: a session does not end in time.
    """
    began = time.monotonic()
    silent_after = began + min(SILENT_GUARD_S, timeout_s / 2)
    waiting = False
    while held := [path for path in _lock_files(folder) if not remove_if_free(path)]:
        if not waiting:
            _log.info("waiting for the sessions of the former process to end", sessions=len(held))
            waiting = True
        now = time.monotonic()
        for path in held:
            _continue_or_end(path, end=now > silent_after)
        if now > silent_after:
            silent_after = now + SILENT_GUARD_S
        if now > began + timeout_s:
            raise _does_not_end(held[0], folder.name)
        time.sleep(LOCK_POLL_S)


def _continue_or_end(path: Path, *, end: bool) -> None:
    guard = _holder(path)
    if guard is None:
        return
    if is_stopped(guard.pid):
        _log.warning("a guard was stopped; it is continued", session=path.stem, pid=guard.pid)
        send_signal(guard, signal.SIGCONT)
    if end:
        survivors = end_guard(guard, timeout_s=END_GUARD_S)
        _log.warning(
            "killed a guard that did not end", session=path.stem, pid=guard.pid, survivors=len(survivors)
        )


def _holder(path: Path) -> Process | None:
    """Returns the live guard that the file names."""
    try:
        named = parse_process(path.read_text(encoding="ascii", errors="replace"))
    except OSError:  # removed meanwhile
        return None
    found = named and stat(named.pid)
    return named if found and found.process == named else None


def _does_not_end(path: Path, worker: str) -> ProgramExit:
    guard = _holder(path)
    alive = sorted(each.pid for each in descendants(guard.pid)) if guard else []
    processes = f" (guard {guard.pid}, processes {', '.join(map(str, alive)) or 'none'})" if guard else ""
    return ProgramExit(
        ExitCode.CONFLICT,
        f"the session {path.stem} of the former process of {worker!r} does not end{processes}",
        hint="end these processes, or give another --name",
    )


def remove_if_free(path: Path) -> bool:
    """Removes a lock file that no guard holds; returns False if a guard holds the lock."""
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
