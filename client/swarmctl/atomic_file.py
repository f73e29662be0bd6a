"""Files that are written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(place: str, *, mode: int) -> Iterator[BinaryIO]:
    """Yields a file that replaces `place` when it is complete and on the disk; an error leaves no trace."""
    # A link stays a link: its target is replaced.
    goal = Path(place).resolve()
    draft = goal.with_name(f".{goal.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.replace(goal)
    except BaseException:  # after any error, a half-written draft is useless
        draft.unlink(missing_ok=True)
        raise
