"""Lease ids: the one text by which a worker proves its right to an attempt.

An id contains the epoch, the task, the attempt and a secret. Invariant: no id is ever given out twice, not even after
a restore from a backup. The database has only the hash of the secret.
"""

import hashlib
import hmac
import re
from typing import Final, NamedTuple

from swarmd.domain.model import Lease, LeaseId, TaskKey

_LEASE_ID: Final = re.compile(r"(\d{1,15})-(\d{1,15})-(\d{1,9})-([0-9a-f]{32})")


class LeaseRef(NamedTuple):
    """The content of a lease id; `proves` checks it against the lease."""

    epoch: int
    task_key: TaskKey
    number: int
    secret: str

    def proves(self, lease: Lease) -> bool:
        """Returns True if the id is the one that was given out for this lease."""
        return (
            self.epoch == lease.epoch
            and self.task_key == lease.task_key
            and self.number == lease.number
            and hmac.compare_digest(hash_secret(self.secret), lease.secret_hash)
        )


def make_lease_id(*, epoch: int, task_key: TaskKey, number: int, secret: str) -> LeaseId:
    """Returns the lease id; the secret has 32 hexadecimal digits."""
    return LeaseId(f"{epoch}-{task_key}-{number}-{secret}")


def parse_lease_id(text: str) -> LeaseRef | None:
    """Returns the content of the id, None if the text is not a lease id."""
    match = _LEASE_ID.fullmatch(text)
    if match is None:
        return None
    return LeaseRef(int(match[1]), TaskKey(int(match[2])), int(match[3]), match[4])


def hash_secret(secret: str) -> bytes:
    """Returns the stored hash of a secret; 128 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
