"""The check of the database file: who may open it, and its size."""

import os
import stat
from pathlib import Path
from typing import Final

from swarmctl.doctor.check import Check, fail, ok, warn

_NAME: Final = "database"
# A swarm of 100,000 tasks with their results has about 2 GB.
LARGE_BYTES: Final = 10_000_000_000
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def database_check(db: Path) -> Check:
    """Checks that swarmd accepts the owner and the mode of the file, and that compaction is not due."""
    try:
        found = db.stat()
    except FileNotFoundError:
        return ok(_NAME, f"{db} is not there yet; the first start makes it")
    except OSError as error:
        return fail(_NAME, f"{db}: {error.strerror}", "see who owns it, and its mode")
    if found.st_uid != os.getuid():
        return fail(_NAME, f"{db} belongs to another user", "run swarmd as that user, or give another --db")
    in_group_folder = db.parent.stat().st_mode & stat.S_ISGID
    if found.st_mode & (stat.S_IRWXO if in_group_folder else _OPEN_TO_OTHERS):
        mode = stat.S_IMODE(found.st_mode)
        return fail(
            _NAME,
            f"{db} may be read by others (mode {mode:04o}), as a file that came with a clone",
            f"`chmod 600 {db}` if it is yours, or give another --db",
        )
    wal = db.with_name(f"{db.name}-wal")
    size = found.st_size + (wal.stat().st_size if wal.exists() else 0)
    text = f"{db} has {size / 1e6:,.1f} MB"
    if size > LARGE_BYTES:
        return warn(
            _NAME, text, f"while no server runs, `swarmd --db {db} --compact` frees what deleted tasks left"
        )
    return ok(_NAME, text)
