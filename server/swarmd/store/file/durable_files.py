"""Changes to files and folders that hold even if the power fails right after them."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """What the file holds, or which names the folder holds, is on the disk when this returns."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(path: Path, text: str) -> None:
    """Puts a private file in place, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
    move(fresh, path)


def move(source: Path, target: Path) -> None:
    """Gives the file another name in its folder; what had that name is gone."""
    source.replace(target)
    sync(target.parent)


def make_folder(path: Path) -> None:
    """Makes the folder and those above it, for their owner alone, as far as they are missing."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync(path.parent)
