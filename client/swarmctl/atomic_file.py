"""Writes files whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(place: str, *, mode: int) -> Iterator[BinaryIO]:
    """A file that takes its place when all is written and on the disk; an error leaves no trace."""
    # A link stays a link: what it points to is replaced.
    goal = Path(place).resolve()
    draft = goal.with_name(f".{goal.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.replace(goal)
    except BaseException:  # whatever it is: a half-written draft is of no use
        draft.unlink(missing_ok=True)
        raise
