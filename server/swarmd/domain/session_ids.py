"""Session ids: their format, and the id that belongs to a lease.

A worker names a session `{task}-a{attempt}-{role}-{epoch}`; `role` has a number behind it for a second run. In the
task id every character outside `[a-z0-9-]` becomes a dash. If that changes the id, or if the id is too long, it is
cut, and a dash with the first 8 hexadecimal digits of its SHA-256 follows.
"""

import hashlib
import re
from typing import Final

from swarmd.domain.model import Lease

MAX_LENGTH: Final = 81
_SESSION_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
_DIGEST_LENGTH: Final = 8


def is_session_id(text: str) -> bool:
    """Returns whether the text has the format of a session id."""
    return _SESSION_ID.fullmatch(text) is not None


def belongs_to(session_id: str, lease: Lease) -> bool:
    """Returns whether the id is one that the holder of the lease, and nobody else, makes by the rule."""
    found = re.fullmatch(rf"(.+)-a{lease.number}-(?:builder|validator)\d*-{lease.epoch}", session_id)
    return found is not None and found[1] == _task_part(
        lease.task_id, MAX_LENGTH - len(session_id) + len(found[1])
    )


def _task_part(task_id: str, length: int) -> str:
    slug = re.sub(r"[^a-z0-9-]", "-", task_id.lower())
    if slug == task_id and len(slug) <= length:
        return slug
    digest = hashlib.sha256(task_id.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{slug[: length - _DIGEST_LENGTH - 1]}-{digest}"
