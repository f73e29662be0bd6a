"""Probes of the machine that every runner needs: disk space, a writable project root, git."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amplifier_swarm.light_imports import find_program
from swarm_worker.preflight.probe import Probe

MIN_FREE_BYTES: Final = 512 * 1024**2
LOW_FREE_BYTES: Final = 4 * 1024**3
GIT_S: Final = 15.0


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


def probe_git(root: Path, env: Mapping[str, str]) -> Probe:
    """Warns if git can't read the project: the worker runs all the same, but validators do not see the changes."""
    from swarm_worker.preflight.guarded import read_work_tree  # noqa: PLC0415  # imports the modules of sessions
    from swarm_worker.workspace.git import NoTree  # noqa: PLC0415  # as above
    from swarm_worker.workspace.git_script import DUBIOUS_OWNERSHIP  # noqa: PLC0415  # as above

    found = find_program("git", path=env.get("PATH", ""))
    if found is None:
        return Probe(
            "git", "not on PATH, so validators won't see what changed", warning=True, hint="install git"
        )
    try:
        tree = read_work_tree(root, env, timeout_s=GIT_S)
    except OSError as error:
        return Probe("git", f"not probed: {error}", warning=True, hint="set TMPDIR to a writable folder")
    if not isinstance(tree, NoTree):
        return Probe("git", f"{found}, the project is in a work tree")
    if tree.silent:
        return Probe("git", f"{found}, but {tree.reason}: validators see the declared files alone")
    hint = f"try `git -C {root} status`"
    if DUBIOUS_OWNERSHIP in tree.reason:
        hint = f"run: git config --global --add safe.directory {root}"
    return Probe("git", f"validators won't see what changed: {tree.reason}", warning=True, hint=hint)
