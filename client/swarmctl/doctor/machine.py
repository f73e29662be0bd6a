"""The checks that need this machine alone: Python, folders and their modes, free space, git."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amplifier_swarm.credentials import discovered_token_file, find_token
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.text import one_line
from swarmctl.doctor.check import Check, fail, failed_by, ok, warn

# The versions that the tests cover.
OLDEST_PYTHON: Final = (3, 11)
NEWEST_PYTHON: Final = (3, 13)
# A night of a hundred sessions writes some hundred megabytes of logs.
FULL_BYTES: Final = 200_000_000
SCARCE_BYTES: Final = 2_000_000_000
# git answers at once, unless the folder is on a disk that hangs.
GIT_WITHIN_S: Final = 10.0
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def machine_checks(*, project_root: Path, state: Path, token_file: Path | None) -> Iterator[Check]:
    """Yields all checks of the machine. A missing token is not a fault: the first swarmd makes one."""
    yield python_check(sys.version_info[:3])
    yield project_check(project_root)
    yield git_check(project_root)
    yield state_check(state)
    if (token := token_check(token_file)) is not None:
        yield token
    yield from disk_checks(project_root, state)


def python_check(version: tuple[int, ...]) -> Check:
    """Checks that the tests cover this version of Python."""
    found = ".".join(map(str, version))
    if version[:2] > NEWEST_PYTHON:
        return warn(
            "python", f"{found} is newer than what we are tested with", "use 3.13 if something breaks"
        )
    if version < OLDEST_PYTHON:
        return fail("python", f"{found} is too old", "use 3.11 or newer")
    return ok("python", found)


def project_check(root: Path) -> Check:
    """Checks that sessions can work in the project."""
    if not root.is_dir():
        return fail("project", f"{root} is not a directory", "create it or pass another --project-root")
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return fail("project", f"{root} can't be read and written", "see who owns it, and its mode")
    return ok("project", str(root.absolute()))


def git_check(root: Path) -> Check:
    """Checks that git can show a validator the changes; everything else works without git."""
    git = shutil.which("git")
    if git is None:
        return warn("git", "git is not on PATH", "install it: it shows validators what changed")
    argv = (git, "-C", str(root), "rev-parse", "--is-inside-work-tree")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=GIT_WITHIN_S)
    except subprocess.TimeoutExpired:
        return warn("git", f"git did not answer within {GIT_WITHIN_S:.0f} s", f"try `git -C {root} status`")
    if done.returncode == 0 and done.stdout.strip() == "true":
        return ok("git", "the project is a work tree")
    error = one_line(done.stderr.strip().partition("\n")[0].removeprefix("fatal: "), 200)
    return warn(
        "git", error or "the project is in a bare repository or in .git", _git_hint(done.stderr, root)
    )


def _git_hint(stderr: str, root: Path) -> str:
    """Returns what to do so that validators see the changes."""
    if "dubious ownership" in stderr:
        return f"`git config --global --add safe.directory {root.absolute()}` if you trust its owner"
    if any((folder / ".git").exists() for folder in (root.absolute(), *root.absolute().parents)):
        return f"see `git -C {root} status`: the repository may be broken"
    return f"`git init {root}` lets validators see what changed"


def state_check(folder: Path) -> Check:
    """Checks that the folder of the token and the database is for its owner alone."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return ok("state folder", f"{folder} is not there yet; the first start makes it")
    except OSError as error:
        return fail("state folder", f"{folder}: {error.strerror}", "see who owns it, and its mode")
    if not stat.S_ISDIR(found.st_mode):
        return fail("state folder", f"{folder} is not a directory", "pass another --db")
    if found.st_uid != os.getuid():
        return fail(
            "state folder", f"{folder} belongs to another user", "run it as that user, or give another --db"
        )
    if found.st_mode & _OPEN_TO_OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        return fail("state folder", f"{folder} is open to others (mode {mode:04o})", f"chmod 700 {folder}")
    return ok("state folder", f"{folder}, for its owner alone")


def token_check(token_file: Path | None) -> Check | None:
    """Checks that the token is readable, by its owner alone; returns None where no token is found."""
    if token_file is None and not os.environ.get("SWARM_TOKEN") and discovered_token_file() is None:
        return None
    try:
        find_token(token_file)
    except ProgramExit as end:
        return failed_by("token file", end)
    from_variable = token_file is None and os.environ.get("SWARM_TOKEN")
    return ok("token file", "SWARM_TOKEN holds it" if from_variable else "there is one, for its owner alone")


def disk_checks(project_root: Path, state: Path) -> Iterator[Check]:
    """Yields a check of the free space for each disk."""
    seen = set()
    for name, folder in (("disk of the project", project_root), ("disk of the database", state)):
        there = _nearest(folder.absolute())
        device = there.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield disk_check(name, there, shutil.disk_usage(there).free)


def disk_check(name: str, folder: Path, free_bytes: int) -> Check:
    """Checks that the free space is enough."""
    found = f"{free_bytes / 1e9:.1f} GB free at {folder}"
    if free_bytes < FULL_BYTES:
        return fail(name, found, "free some space")
    if free_bytes < SCARCE_BYTES:
        return warn(name, found, "free some space before a long run")
    return ok(name, found)


def _nearest(folder: Path) -> Path:
    """Returns the folder, or the nearest parent that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())
