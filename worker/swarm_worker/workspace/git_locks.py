"""The locks of git that sessions of one work tree meet: another session's commit, or the rest of a killed git."""

import re
from pathlib import Path
from typing import Final

# What git prints if another git holds a lock, or has left it.
_LOCKED: Final = re.compile(
    r"index\.lock|cannot lock ref|unable to create '[^']*\.lock'|another git process seems to be running"
    r"|remove the file manually to continue",
    re.IGNORECASE,
)
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
