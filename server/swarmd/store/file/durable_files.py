"""Changes to files and folders that survive a power failure right after them."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Writes the content of the file, or the names in the folder, to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def create(path: Path) -> None:
    """Creates an empty private file (mode 0600); raises FileExistsError if the name is taken."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def write(path: Path, text: str) -> None:
    """Writes a private file (mode 0600) atomically."""
    fresh = path.with_name(f"{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
    move(fresh, path)


def move(source: Path, target: Path) -> None:
    """Renames the file within its folder; replaces a file with the new name."""
    source.replace(target)
    sync(target.parent)


def make_folder(path: Path) -> None:
    """Makes the folder and its missing parents, for their owner alone (mode 0700)."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync(path.parent)
