"""swarmd started on something that it can't serve: what it says, its exit code, and that it changed nothing."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

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
