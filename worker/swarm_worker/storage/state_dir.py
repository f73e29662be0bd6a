"""The worker's own folder: at most one process has it, and what ran before in it has ended for certain.

`STATE_DIR/NAME/` holds `lock` (held for as long as the process lives), `instance`, `guards/` (a lock a
session, held by its guard until nothing of it is left), `sessions/` (prompts, while they run), `outbox/` and
`openings` (the number from which this process counts its requests for streams).
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.domain.names import host_name
from swarm_worker.storage.files import keep, private_folder, write_private

# More requests for streams than one process can make.
OPENINGS: Final = 2**32
# More workers than this on one host have names.
WORKERS: Final = 10_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder that this process has."""

    name: str
    path: Path
    instance: str
    # Each request for a stream has a higher number than this, and than all of former processes.
    openings: int = 0

    @property
    def outbox(self) -> Path:
        return self.path / "outbox"

    def session_file(self, session_id: str, name: str) -> Path:
        """A file of a session. There is no folder for each: to remove one waits for the disk."""
        return Path(self.path, "sessions", f"{session_id}.{name}")

    def guard_lock(self, guard_name: str) -> Path:
        """The file that a guard holds locked."""
        return Path(self.path, "guards", f"{guard_name}.lock")

    def forget_sessions(self) -> None:
        """Removes what the sessions of a former process left."""
        folder = self.path / "sessions"
        private_folder(folder)
        for file in folder.iterdir():
            with suppress(OSError):
                file.unlink()


@contextmanager
def state_folder(base: Path, *, name: str) -> Iterator[StateFolder]:
    """Takes the folder of that name, or of the host's first free one, until the end of the process.

    Raises Exit if another process has it or if it can't be written.
    """
    try:
        base = base.absolute()
        private_folder(base)
        taken, lock = _take(base, name) if name else _take_free(base)
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"can't use --state-dir {base}: {error.strerror}",
            hint="give one that is writable",
        ) from error
    try:
        yield _opened(taken, base / taken)
    finally:
        os.close(lock)


def _take(base: Path, name: str) -> tuple[str, int]:
    private_folder(base / name)
    lock = _locked(base / name)
    if lock is None:
        pid = (base / name / "lock").read_text(encoding="ascii", errors="replace").strip()
        raise ProgramExit(
            ExitCode.CONFLICT,
            f"a worker named {name!r} runs here already (pid {pid or 'unknown'})",
            hint="give another --name or --state-dir",
        )
    return name, lock


def _take_free(base: Path) -> tuple[str, int]:
    for number in range(1, WORKERS + 1):
        name = f"{host_name()}-{number}"
        private_folder(base / name)
        lock = _locked(base / name)
        if lock is not None:
            return name, lock
    raise ProgramExit(
        ExitCode.CONFLICT, f"{WORKERS} workers run in {base} already", hint="give another --state-dir"
    )


def _locked(folder: Path) -> int | None:
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def _opened(name: str, path: Path) -> StateFolder:
    for part in ("guards", "sessions", "outbox"):
        private_folder(path / part)
    file = path / "instance"
    instance = file.read_text(encoding="ascii").strip() if file.exists() else ""
    if not instance:
        instance = uuid.uuid4().hex
        write_private(file, instance + "\n")
    return StateFolder(name, path, instance, _openings(path / "openings"))


def _openings(file: Path) -> int:
    """A number that no former process has come to. The clock serves a folder that was put back from a backup."""
    try:
        known = int(file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        known = 0
    first = max(known + OPENINGS, time.time_ns() // 1_000)
    keep(file, f"{first}\n".encode())
    return first
