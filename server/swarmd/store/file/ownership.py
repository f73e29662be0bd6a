"""The owner and the mode of the database: whoever can write its files decides what the workers run.

A clone can contain a database whose tasks and checks would run as the user who starts the server. Invariant: swarmd
opens only files that nobody else may read or write.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from swarmd.store.file.errors import DatabaseUnusable


def refuse_links(files: Iterable[Path]) -> None:
    """Raises DatabaseUnusable for the first symbolic link: a write through it would destroy another file."""
    for path in files:
        if path.is_symlink():
            raise DatabaseUnusable(
                f"{path.name} beside it is a symbolic link, which swarmd never makes; remove it"
            )


def refuse_foreign(files: Iterable[Path]) -> None:
    """Raises DatabaseUnusable for the first file that another user owns, or may read or write.

    A group may have access where its folder has the set-group-ID bit, as the volumes of Kubernetes have.
    """
    for path in files:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if found.st_uid != os.geteuid():
            raise DatabaseUnusable(
                f"{path.name} belongs to another user (uid {found.st_uid}), as a file that came with a copy may;"
                " run swarmd as that user, or give another --db"
            )
        shared = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        if path.parent.stat().st_mode & stat.S_ISGID:
            shared &= stat.S_IRWXO
        if shared:
            raise DatabaseUnusable(
                f"{path.name} may be read by others (mode {stat.S_IMODE(found.st_mode):04o}), as a file that came with"
                f" a clone; if it is yours, `chmod 600 {path}`, or else give another --db"
            )
