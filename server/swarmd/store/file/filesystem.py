"""The file system of a folder: over a network, SQLite's locks and syncs are not reliable."""

import re
from pathlib import Path
from typing import Final

from swarmd.store.file.errors import DatabaseUnusable

MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "afs", "fuse.sshfs"})
# The fifth word is the mount point; the type comes after the dash.
_MOUNT: Final = re.compile(r"(?:\S+ ){4}(\S+) .*? - (\S+) ")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def refuse_network(folder: Path) -> None:
    """Raises DatabaseUnusable for a folder on a network file system, as far as the system names its type."""
    kind = kind_of(folder.resolve())
    if kind in _NETWORK:
        raise DatabaseUnusable(
            f"the folder is on a network file system ({kind}); give a --db on a local disk"
        )


def kind_of(folder: Path) -> str:
    """Returns the type of the folder's file system, empty if unknown."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    found = [match.groups() for line in lines if (match := _MOUNT.match(line))]
    above = [(place, kind) for place, kind in found if folder.is_relative_to(_plain(place))]
    # Of two mounts at one place the later one is visible.
    return max(enumerate(above), key=lambda mount: (len(mount[1][0]), mount[0]))[1][1] if above else ""


def _plain(place: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), place)
