"""Files that outlast a loss of power. Its one rule: a file is there whole, as it was or as it is to be."""

import os
from collections.abc import Mapping
from pathlib import Path


def keep(path: Path, content: bytes) -> None:
    """Puts the content there for this user alone; durable when it returns. Blocks for the disk."""
    fresh = path.with_suffix(".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.rename(path)
    _sync_folder(path.parent)


def write_all(fd: int, content: bytes) -> None:
    """Writes all of it: the system may take a part at a time."""
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def private_folder(path: Path) -> None:
    """Makes a folder that only this user may look into, with its parents."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def machine_folder(own: Mapping[str, str]) -> Path:
    """What all workers of this user on this machine share: locks, and what one of them has found out."""
    cache = own.get("XDG_CACHE_HOME", "")
    home = own.get("HOME", "")
    base = Path(cache) if cache else Path(home, ".cache") if home else _temporary()
    return base / "amplifier-swarm"


def _temporary() -> Path:
    import tempfile  # noqa: PLC0415  # see programs

    return Path(tempfile.gettempdir(), str(os.getuid()))


def write_private(path: Path, text: str) -> None:
    """Writes a file that only this user may read."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, text.encode(errors="replace"))
    finally:
        os.close(fd)
