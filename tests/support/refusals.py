"""Starts of swarmd on files that it can't serve: its output, its exit code, and the files that it left unchanged."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.programs import BIN, environment

# What a start makes or touches beside the database itself.
OWN = (".lock", ".reserve", "-shm", ".gitignore")


@dataclass(frozen=True)
class RefusedStart:
    """The exit code and output of a start."""

    code: int
    out: str
    err: str


def swarmd(db: Path, *flags: str) -> RefusedStart:
    """Starts swarmd, which must exit by itself."""
    done = subprocess.run(
        [BIN / "swarmd", "--db", db, "--listen", "127.0.0.1:0", *flags], cwd=db.parent.parent, env=environment(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return RefusedStart(done.returncode, done.stdout, done.stderr)


def content(folder: Path) -> dict[str, bytes]:
    """Returns the content of all files that matter, by name."""
    if not folder.is_dir():
        return {}
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith(OWN) and _has_content(path)
    }


def _has_content(path: Path) -> bool:
    """Returns whether the file has content; an empty WAL counts as missing."""
    return not path.name.endswith("-wal") or path.stat().st_size > 0
