"""Paths that a session in a mount namespace of its own must not see: tokens, databases, the worker's state.

Invariant: a path that contains the project or the home folder is never hidden.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.state_paths import PROJECT_FOLDER, state_home

# What belongs to the project in a folder `.swarm`.
KEPT_IN_SWARM: Final = ("prompts", ".gitignore")
# Each server keeps such files in its database's folder, whatever the database's name.
SERVER_FILES: Final = ("swarm.db", "EPOCH")


class HiddenPaths(NamedTuple):
    """Folders that sessions see empty, files that they see empty, and exceptions below the folders."""

    folders: Sequence[Path] = ()
    files: Sequence[Path] = ()
    kept: Sequence[Path] = ()


NOTHING_HIDDEN: Final = HiddenPaths()


def hidden_paths(state: Path, project_root: Path, secret_files: Sequence[Path | None]) -> HiddenPaths:
    """Returns the existing paths to hide: all state of the user, `.swarm` folders, secret files, their databases."""
    here = Path.cwd()
    swarm_folders = [folder / PROJECT_FOLDER for folder in (here, *here.parents, project_root)]
    files = [file.absolute() for file in secret_files if file is not None and file.exists()]
    beside = [file.parent for file in files if any((file.parent / name).exists() for name in SERVER_FILES)]
    wanted = dict.fromkeys(
        Path(os.path.realpath(each)) for each in (state, *_state_homes(), *swarm_folders, *beside)
    )
    folders = [folder for folder in wanted if folder.is_dir() and not _contains(folder, project_root)]
    kept = [
        folder / name for folder in folders for name in KEPT_IN_SWARM if folder.name == PROJECT_FOLDER.name
    ]
    return HiddenPaths(list(_outermost(folders)), files, [each for each in kept if each.exists()])


def _state_homes() -> Sequence[Path]:
    """Returns the folder for the state of all projects; none for a user without a home folder."""
    try:
        return (state_home(),)
    except ProgramExit:
        return ()


def _contains(folder: Path, project_root: Path) -> bool:
    inside = (project_root, Path(os.environ.get("HOME") or "/"))
    return any(Path(os.path.realpath(each)).is_relative_to(folder) for each in inside)


def _outermost(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        if not any(folder != other and folder.is_relative_to(other) for other in folders):
            yield folder
