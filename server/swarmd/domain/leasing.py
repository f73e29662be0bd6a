"""Lease ids: the one text by which a worker proves its right to an attempt.

An id carries the epoch, the task, the attempt and a secret: an older one never equals a newer one, after a
restore from a backup either. The database keeps only the secret's hash.
"""

import hashlib
import hmac
import re
from typing import Final, NamedTuple

from swarmd.domain.model import Lease, LeaseId, TaskKey

_LEASE_ID: Final = re.compile(r"(\d{1,15})-(\d{1,15})-(\d{1,9})-([0-9a-f]{32})")


class LeaseRef(NamedTuple):
    """What a lease id says; whether it is true, `proves` tells."""

    epoch: int
    task_key: TaskKey
    number: int
    secret: str

    def proves(self, lease: Lease) -> bool:
        """Whether the id is the one that was given out for this lease."""
        return (
            self.epoch == lease.epoch
            and self.task_key == lease.task_key
            and self.number == lease.number
            and hmac.compare_digest(hash_secret(self.secret), lease.secret_hash)
        )


def make_lease_id(*, epoch: int, task_key: TaskKey, number: int, secret: str) -> LeaseId:
    """The id to hand out; the secret is 32 hexadecimal digits."""
    return LeaseId(f"{epoch}-{task_key}-{number}-{secret}")


def parse_lease_id(text: str) -> LeaseRef | None:
    """What the id says, None if it is none of ours."""
    match = _LEASE_ID.fullmatch(text)
    if match is None:
        return None
    return LeaseRef(int(match[1]), TaskKey(int(match[2])), int(match[3]), match[4])


def hash_secret(secret: str) -> bytes:
    """What is kept of a secret. 128 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
