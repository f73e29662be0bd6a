"""The worker's state folder: at most one process has it, and no session of a former process still runs.

`STATE_DIR/NAME/` holds:
- `lock`: held as long as the process lives;
- `instance`: the id of this folder, and the inode of the lock that it belongs to;
- `guards/`: a lock a session, held by its guard until no process of the session is left;
- `sessions/`: the prompts of running sessions;
- `outbox/`: the outcomes that the server has not answered;
- `joining`, `credential`: the worker's own credential, if it has one: see `credential.py`;
- `ca.pem`: the certificate of the server's CA, if the worker was given its fingerprint;
- `openings`: the number from which this process counts its requests for claim streams.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import random_id
from amplifier_swarm.state_paths import STOP_FILE, make_private_folder, shield_from_git
from swarm_worker.domain.names import host_part
from swarm_worker.storage.files import write_durably, write_private
from swarm_worker.storage.private_folder import remove_private

# More requests for claim streams than one process can make.
STREAMS_PER_PROCESS: Final = 2**32
# The most workers on one host that get a default name.
MAX_WORKERS: Final = 10_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The state folder that this process holds."""

    name: str
    path: Path
    instance: str
    # Each request for a claim stream has a higher number than this one, and than all of former processes.
    stream_seq: int = 0
    # When the first process of this folder started, in seconds since 1970.
    first_start_s: float = 0.0

    @property
    def outbox(self) -> Path:
        """The folder of the outbox."""
        return self.path / "outbox"

    @property
    def authority(self) -> Path:
        """The certificate of the server's CA, if the worker was given the fingerprint only."""
        return self.path / "ca.pem"

    def session_file(self, session_id: str, name: str) -> Path:
        """Returns the path of a session's file. Sessions have no folders: to remove one waits for the disk."""
        return Path(self.path, "sessions", f"{session_id}.{name}")

    def guard_lock(self, guard_name: str) -> Path:
        """Returns the path of the file that a guard holds locked."""
        return Path(self.path, "guards", f"{guard_name}.lock")

    def forget_sessions(self) -> None:
        """Removes the files that the sessions of a former process left."""
        folder = self.path / "sessions"
        make_private_folder(folder)
        for file in folder.iterdir():
            if file.is_dir() and not file.is_symlink():
                remove_private(file)
                continue
            with suppress(OSError):
                file.unlink()


class _LockedFolder(NamedTuple):
    name: str
    fd: int


@contextmanager
def state_folder(base: Path, *, name: str) -> Iterator[StateFolder]:
    """Locks the folder of that name, or of the host's first free name, until the end.

    Raises:
        ProgramExit: Another process has the folder, or the folder can't be written.
    """
    try:
        base = base.absolute()
        make_private_folder(base)
        locked = _lock_named(base, name) if name else _lock_first_free(base)
        if warning := shield_from_git(base, is_ours=partial(_is_ours, base)):
            _log.warning(warning, state_dir=str(base), hint="pass a --state-dir of its own")
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"can't use --state-dir {base}: {error.strerror}",
            hint="pass a folder that this user may write",
        ) from error
    try:
        yield _opened(locked, base / locked.name)
    finally:
        os.close(locked.fd)


def _is_ours(base: Path, name: str) -> bool:
    return name == STOP_FILE or (base / name / "lock").exists()


def _lock_named(base: Path, name: str) -> _LockedFolder:
    make_private_folder(base / name)
    fd = _lock(base / name)
    if fd is None:
        pid = (base / name / "lock").read_text(encoding="ascii", errors="replace").strip()
        raise ProgramExit(
            ExitCode.CONFLICT,
            f"a worker named {name!r} runs here already (pid {pid or 'unknown'})",
            hint="give another --name or --state-dir",
        )
    return _LockedFolder(name, fd)


def _lock_first_free(base: Path) -> _LockedFolder:
    for number in range(1, MAX_WORKERS + 1):
        name = f"{host_part()}-{number}"
        make_private_folder(base / name)
        fd = _lock(base / name)
        if fd is not None:
            return _LockedFolder(name, fd)
    raise ProgramExit(
        ExitCode.CONFLICT, f"{MAX_WORKERS} workers run in {base} already", hint="give another --state-dir"
    )


def _lock(folder: Path) -> int | None:
    """Locks a folder; returns the descriptor that holds the lock, None if another process has it."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def _opened(locked: _LockedFolder, path: Path) -> StateFolder:
    for part in ("guards", "sessions", "outbox"):
        make_private_folder(path / part)
    file = path / "instance"
    instance = _read_instance(file, locked)
    first_start_s = file.stat().st_mtime if instance else time.time()
    if not instance:
        instance = random_id()
        write_private(file, f"{instance} {_inode(locked)}\n")
    return StateFolder(locked.name, path, instance, _reserve_stream_seq(path / "openings"), first_start_s)


def _read_instance(file: Path, locked: _LockedFolder) -> str:
    """Returns the id of this folder; empty for a new folder, and for a copy of another.

    The owner of the original may be alive. The lock proves that it is not, and a copy of the file is another lock.
    """
    instance, _, inode = (file.read_text(encoding="ascii").strip() if file.exists() else "").partition(" ")
    return instance if inode == _inode(locked) else ""


def _inode(locked: _LockedFolder) -> str:
    return str(os.fstat(locked.fd).st_ino)


def _reserve_stream_seq(file: Path) -> int:
    """Returns a number above all that former processes used. The clock covers a folder restored from a backup."""
    try:
        known = int(file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        known = 0
    first = max(known + STREAMS_PER_PROCESS, time.time_ns() // 1_000)
    write_durably(file, f"{first}\n".encode())
    return first
