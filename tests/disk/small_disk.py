"""A disk small enough for a test to fill, and a read-only disk."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mounts a disk of that size; skips the test where none can be mounted."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    if not mounted:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        yield folder
    finally:
        _run("umount", str(folder))


def remount_read_only(folder: Path) -> None:
    """Makes the disk read-only."""
    assert _run("mount", "-o", "remount,ro", str(folder))


def fill(folder: Path) -> Path:
    """Fills the disk; returns the file that takes the space."""
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
