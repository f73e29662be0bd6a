"""What every runner needs of the machine: room, and a folder to work in; `tree` has what takes longer to see."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amplifier_swarm.light_imports import find_program
from swarm_worker.preflight.probe import Probe

ROOM_BYTES: Final = 512 * 1024**2
SCARCE_BYTES: Final = 4 * 1024**3


def disk(place: Path) -> Probe:
    """Room for logs, prompts and what sessions write."""
    room = os.statvfs(place)
    free = room.f_bavail * room.f_frsize
    text = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < ROOM_BYTES:
        return Probe("disk", text, ok=False, hint="free some, or work elsewhere")
    return Probe("disk", text, warning=free < SCARCE_BYTES)


def root_is_writable(root: Path) -> Probe:
    """By writing: permissions do not tell of a read-only mount."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415  # see programs; only `--check` asks this

    try:
        with TemporaryDirectory(prefix=".swarm-check-", dir=root):
            pass
    except OSError as error:
        text = f"{root} can't be written: {error.strerror}"
        return Probe("project root", text, ok=False, hint="give another --project-root")
    return Probe("project root", f"{root} can be written")


def git(env: Mapping[str, str]) -> Probe:
    """Without it all goes on, but validators are not shown what changed."""
    found = find_program("git", path=env.get("PATH", ""))
    return Probe("git", found or "not on PATH: validators won't see what changed", warning=found is None)
