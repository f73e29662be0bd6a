"""The question whether a folder lies in a git repository, without git."""

import os
from pathlib import Path


def has_repository(root: Path) -> bool:
    """Returns whether a `.git` is in the folder or above it, or the folder is a bare repository.

    Performance: without a repository, starting git costs more than starting a session (docs/performance.md).
    """
    folder = root.resolve()
    if any(os.path.lexists(above / ".git") for above in (folder, *folder.parents)):
        return True
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()
