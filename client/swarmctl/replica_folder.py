"""The folder of a standby: generations of a base and a log of commits; `replica.json` names the one that counts.

Invariant: the generation that counts is complete and on the disk; an older one is removed only after that.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmctl.atomic_file import replacing, sync_folder

# swarmd reads these names: swarmd.store.file.replica.
STATE: Final = "replica.json"
LOCK: Final = "follower.lock"
FORMAT: Final = 1
_GENERATION: Final = re.compile(r"replica-([0-9]{1,9})")


class Generation:
    """A copy that is being received: first the base, then the log."""

    def __init__(self, folder: Path, number: int) -> None:
        """Makes the files; raises OSError."""
        self.number = number
        self.begins = self.complete = 0
        self._place = folder / f"replica-{number}"
        self._place.mkdir(mode=0o700)
        self._base = _create(self._place / "base.db")
        self._log = _create(self._place / "commits.log")

    def close(self) -> None:
        """Closes the files of a copy that ends."""
        # A close writes what is still buffered, and the disk may be full.
        for file in (self._base, self._log):
            with contextlib.suppress(OSError):
                file.close()

    def add_base(self, data: bytes) -> None:
        """Appends to the base; raises OSError."""
        self._base.write(data)

    def end_base(self, *, position: int, complete: int) -> None:
        """Brings the base to the disk; raises OSError."""
        _sync(self._base)
        for folder in (self._place, self._place.parent):
            sync_folder(folder)
        self.begins, self.complete = position, complete

    def add_commits(self, data: bytes) -> None:
        """Appends to the log; raises OSError."""
        self._log.write(data)

    def sync(self) -> None:
        """Brings the log to the disk; raises OSError."""
        _sync(self._log)


class ReplicaFolder:
    """A folder with one writer at a time; the lock is held until the program ends."""

    def __init__(self, path: Path) -> None:
        """Takes the folder, and makes it if it does not exist.

        Raises:
            ProgramExit: Another program follows into it, or it holds other things.
        """
        self._path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
        if names and LOCK not in names and STATE not in names:
            raise ProgramExit(
                ExitCode.USAGE,
                f"{path} holds other things than a copy that follows",
                hint="pass an empty folder",
            )
        self._lock = _lock(path)
        self._state = _read_state(path / STATE)
        self._remove_others()

    def refuse_other_swarm(self, *, swarm_id: str, epoch: int, server: str) -> None:
        """Raises ProgramExit if the copy that is there must not be replaced by one of this server.

        A server that lost its disk begins with an empty database, and one that was replaced may come back.
        """
        if self._state and self._state["swarm_id"] != swarm_id:
            raise ProgramExit(
                ExitCode.CONFLICT,
                f"{server} serves another swarm than {self._path} is a copy of; the copy is kept as it is",
                hint="restore it there with `swarmd --restore`, or follow into another folder",
            )
        if self._state and self._state["epoch"] > epoch:
            raise ProgramExit(
                ExitCode.CONFLICT,
                f"{server} serves a database that was replaced (epoch {epoch}, {self._path} has"
                f" {self._state['epoch']}); the copy is kept as it is",
                hint="end that server, and follow the one that replaced it",
            )

    def new_generation(self) -> Generation:
        """Begins a copy beside the one that counts."""
        self._remove_others()
        return Generation(self._path, self._state.get("generation", 0) + 1)

    def is_current(self, generation: Generation) -> bool:
        """Returns whether it is the copy that counts."""
        return self._state.get("generation") == generation.number

    def make_current(self, generation: Generation, *, swarm_id: str, epoch: int) -> None:
        """Lets this copy, which is complete and on the disk, replace the one that counted."""
        state = {
            "format": FORMAT, "swarm_id": swarm_id, "epoch": epoch, "generation": generation.number,
            "begins": generation.begins, "complete": generation.complete,
        }  # fmt: skip
        with replacing(str(self._path / STATE), mode=0o600) as out:
            out.write(json.dumps(state).encode() + b"\n")
        self._state = state
        self._remove_others()

    def _remove_others(self) -> None:
        for place in _generations(self._path):
            if place.name != f"replica-{self._state.get('generation')}":
                shutil.rmtree(place)


@contextmanager
def opened(path: Path) -> Iterator[ReplicaFolder]:
    """Yields the folder; an error of the disk becomes one line.

    Raises:
        ProgramExit: The folder can't be used.
    """
    try:
        yield ReplicaFolder(path)
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"{error.filename or path}: {error.strerror}",
            hint="check the disk; a copy that is complete stays",
        ) from error


def _generations(path: Path) -> list[Path]:
    return [place for place in path.iterdir() if _GENERATION.fullmatch(place.name)]


def _lock(path: Path) -> int:
    fd = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise ProgramExit(
            ExitCode.CONFLICT,
            f"another program follows into {path}, or restores it",
            hint="pass another folder",
        ) from None
    return fd


def _read_state(file: Path) -> dict[str, Any]:
    try:
        state = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        state = None
    kinds = {"format": int, "swarm_id": str, "epoch": int, "generation": int, "begins": int, "complete": int}
    if not isinstance(state, dict) or any(
        not isinstance(state.get(key), kind) for key, kind in kinds.items()
    ):
        raise ProgramExit(ExitCode.USAGE, f"{file} is damaged", hint="pass an empty folder")
    return state


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
