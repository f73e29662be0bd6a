"""A disk so small that a test can fill it, and one that can only be read."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


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
