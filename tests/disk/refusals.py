"""swarmd started on something that it can't serve: what it says, its exit code, and that it changed nothing."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.programs import BIN, environment

# What a start makes or touches beside the database itself.
OWN = (".lock", ".reserve", "-shm")


@dataclass(frozen=True)
class Said:
    """How a start ended."""

    code: int
    out: str
    err: str


def swarmd(db: Path, *flags: str) -> Said:
    """Starts swarmd, which must end by itself."""
    done = subprocess.run(
        [BIN / "swarmd", "--db", db, "--listen", "127.0.0.1:0", *flags], cwd=db.parent.parent, env=environment(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


def content(folder: Path) -> dict[str, bytes]:
    """All files that matter, by name."""
    if not folder.is_dir():
        return {}
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith(OWN) and _says_something(path)
    }


def _says_something(path: Path) -> bool:
    """An empty WAL is as good as none."""
    return not path.name.endswith("-wal") or path.stat().st_size > 0


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own with that much room; the test is skipped where none can be mounted."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    if not mounted:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield folder
    finally:
        _run("umount", str(folder))


def remount_read_only(folder: Path) -> None:
    """From now on nothing can be written there."""
    assert _run("mount", "-o", "remount,ro", str(folder))


def fill(folder: Path) -> Path:
    """Takes all the room that is left; returns what holds it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            while True:
                try:
                    file.write(b"x" * size)
                except OSError:
                    break
    return ballast


def _run(*argv: str) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
