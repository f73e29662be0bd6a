"""The locks of git that sessions of one work tree meet: another session's commit, or the rest of a killed git."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# What git prints if another git holds a lock, or has left it.
_LOCKED: Final = re.compile(
    r"index\.lock|cannot lock ref|unable to create '[^']*\.lock'|another git process seems to be running"
    r"|remove the file manually to continue",
    re.IGNORECASE,
)
# Refs that are looked at for locks.
_MAX_REFS: Final = 10_000
_TOP_LOCKS: Final = ("index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock")
SHARED: Final = (
    "sessions share this git work tree, and another git held a lock: give each task its own work tree"
)


def lock_hint(text: str, root: Path) -> str:
    """Returns what to do about a lock of git if an error's text names one, else nothing."""
    if not _LOCKED.search(text):
        return ""
    lock = _index_lock(root)
    if lock is None or not lock.exists():
        return SHARED
    return f"{SHARED}; {lock} is still there: if no git runs, a killed one left it, so remove it"


def _index_lock(root: Path) -> Path | None:
    """Returns the place of the lock of the work tree's index; None outside of a work tree."""
    for folder in (root, *root.parents):
        git = folder / ".git"
        if git.is_dir():
            return git / "index.lock"
        try:
            text = git.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        return folder / text.removeprefix("gitdir:").strip() / "index.lock"
    return None


def remove_locks(folder: Path) -> list[str]:
    """Removes the locks in a git folder in which no git runs; returns their paths from the folder around it."""
    found = []
    for path in (*(folder / name for name in _TOP_LOCKS), *_ref_locks(folder / "refs")):
        if os.path.lexists(path) and not path.is_dir():
            path.unlink()
            found.append(str(path.relative_to(folder.parent)))
    return found


def _ref_locks(refs: Path) -> Iterator[Path]:
    seen = 0
    for where, _, files in os.walk(refs):
        seen += len(files)
        if seen > _MAX_REFS:
            return
        yield from (Path(where, name) for name in files if name.endswith(".lock"))
