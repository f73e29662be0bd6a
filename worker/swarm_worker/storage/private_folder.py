"""The private folder of one sandboxed session: its home folder and its /tmp, on the disk of the worker's state.

Invariant: nothing in the folder is followed or trusted after a session has had it.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

HOME: Final = "home"
TMP: Final = "tmp"


def make_private(folder: Path) -> None:
    """Makes the folder, if it is not there yet. Raises OSError."""
    for part in (folder, folder / HOME, folder / TMP):
        part.mkdir(mode=0o700, exist_ok=True)


def remove_private(folder: Path) -> None:
    """Removes the folder with what sessions left; keeps quiet about what can't be removed, as the next start tries."""
    if not folder.is_dir() or folder.is_symlink():
        return
    import shutil  # noqa: PLC0415  # loads compression modules that an idle worker does not need

    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # a session may take the rights on its own folders away
        _give_rights(folder)
        shutil.rmtree(folder, ignore_errors=True)


async def remove_private_in_thread(folder: Path) -> None:
    """Removes the folder like `remove_private`, in a thread, since it may hold a lot.

    Performance: a session outside a sandbox has no such folder, and the wait for a thread would cost each session more
    than this look (docs/performance.md).
    """
    if os.path.lexists(folder):  # noqa: ASYNC240  # the look that saves the thread
        await asyncio.to_thread(remove_private, folder)


def clear_mount_point(root: Path, inside: Path, *, folder: bool) -> None:
    """Makes way for a mount at `root/inside`: a session of an earlier turn may have left a link in its place.

    bubblewrap makes the places of mounts itself, and would follow the link. Raises OSError.
    """
    place = root
    for part in inside.parts[:-1]:
        place /= part
        _clear(place, folder=True)
    _clear(place / inside.name, folder=folder)


def _clear(place: Path, *, folder: bool) -> None:
    fits = place.is_dir() if folder else place.is_file()
    if place.is_symlink() or (place.exists() and not fits):
        place.rename(place.with_name(f"{place.name}.moved-{os.urandom(4).hex()}"))
    if folder:
        place.mkdir(mode=0o700, exist_ok=True)
    else:
        place.touch(mode=0o600)


def _give_rights(folder: Path) -> None:
    for path, names, _ in os.walk(folder):
        for name in names:
            below = Path(path, name)
            if not below.is_symlink():
                with contextlib.suppress(OSError):
                    below.chmod(0o700)
