"""The folder that `swarmctl backup --follow` keeps: a base, and a log of the commits after it.

    replica.json       the generation that counts, and the positions between which it became a database
    replica-N/base.db  a backup
    replica-N/commits.log
    follower.lock      held by the program that follows

Nothing in the folder is ever changed here.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from swarmd.store.file import commit_log
from swarmd.store.file.errors import DatabaseUnusable

STATE: Final = "replica.json"
LOCK: Final = "follower.lock"
FORMAT: Final = 1
_NUMBERS: Final = ("generation", "begins", "complete")


@contextlib.contextmanager
def assembled(folder: Path, scratch: Path) -> Iterator[Path]:
    """Yields the database of the replica, made in `scratch`, which is removed afterwards.

    Raises:
        DatabaseUnusable: The replica is not complete, is damaged, or a program still follows into it.
    """
    with _not_followed(folder):
        generation, begins, complete = _read_state(folder)
        place = folder / f"replica-{generation}"
        for file in (place / "base.db", place / "commits.log"):
            if not file.is_file():
                raise DatabaseUnusable(f"it lacks {file.relative_to(folder)}; give another backup")
        scratch.mkdir(mode=0o700)
        try:
            shutil.copyfile(place / "base.db", base := scratch / "base.db")
            position = commit_log.replay(place / "commits.log", base, after=begins)
            if position < complete:
                raise DatabaseUnusable(f"commits.log ends at commit {position:,} of at least {complete:,}")
            yield base
        finally:
            shutil.rmtree(scratch)


def _read_state(folder: Path) -> tuple[int, int, int]:
    try:
        state = json.loads((folder / STATE).read_bytes())
    except FileNotFoundError:
        raise DatabaseUnusable(
            f"it has no {STATE}, so no complete copy; give the folder of `swarmctl backup --follow`"
        ) from None
    except ValueError:
        raise DatabaseUnusable(f"its {STATE} is damaged") from None
    found = state if isinstance(state, dict) else {}
    if found.get("format") != FORMAT:
        raise DatabaseUnusable(f"its {STATE} is damaged, or of a newer swarmctl; upgrade swarmd")
    generation, begins, complete = (found.get(name) for name in _NUMBERS)
    if not (isinstance(generation, int) and isinstance(begins, int) and isinstance(complete, int)):
        raise DatabaseUnusable(f"its {STATE} is damaged")
    return generation, begins, complete


@contextlib.contextmanager
def _not_followed(folder: Path) -> Iterator[None]:
    """Keeps followers out for the time of the block."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # A copy of a replica has no lock.
        yield
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DatabaseUnusable("`swarmctl backup --follow` still runs in it; end it first") from None
    finally:
        os.close(fd)
