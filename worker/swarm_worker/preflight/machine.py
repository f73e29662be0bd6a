"""Probes of the machine that every runner needs: disk space, a writable project root, git."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amplifier_swarm.light_imports import find_program
from swarm_worker.preflight.probe import Probe

MIN_FREE_BYTES: Final = 512 * 1024**2
LOW_FREE_BYTES: Final = 4 * 1024**3


def probe_disk(place: Path) -> Probe:
    """Probes the free space for logs, prompts and the files that sessions write."""
    room = os.statvfs(place)
    free = room.f_bavail * room.f_frsize
    text = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < MIN_FREE_BYTES:
        return Probe("disk", text, ok=False, hint="free some space, or use another disk")
    return Probe("disk", text, warning=free < LOW_FREE_BYTES)


def probe_project_root(root: Path) -> Probe:
    """Probes by creating a folder: permission bits do not show a read-only mount."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415  # loads shutil, see programs; only `--check` needs it

    try:
        with TemporaryDirectory(prefix=".swarm-check-", dir=root):
            pass
    except OSError as error:
        text = f"{root} is not writable: {error.strerror}"
        return Probe("project root", text, ok=False, hint="pass another --project-root")
    return Probe("project root", f"{root} is writable")


def probe_git(env: Mapping[str, str]) -> Probe:
    """Warns if git is missing: the worker runs without git, but validators do not see the changes."""
    found = find_program("git", path=env.get("PATH", ""))
    return Probe("git", found or "not on PATH: validators won't see what changed", warning=found is None)
