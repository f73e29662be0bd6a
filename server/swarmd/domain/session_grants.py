"""Tokens of running sessions: their text, and what one is good for.

Invariant: the server stores the hash alone, and draws no secret of a session itself. A token names a session, and the
session a lease, so a token ends with its lease, and no token of another epoch counts.
"""

import hashlib
import hmac
import re
from typing import Final, NamedTuple

from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Lease, SessionRole

PREFIX: Final = "swt1_session_"
_TOKEN: Final = re.compile(rf"{PREFIX}([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")
_TOKEN_ID: Final = re.compile(r"[0-9a-f]{12}")
_HASH_BYTES: Final = 32


class AnnouncedToken(NamedTuple):
    """The token that a worker announces for a session: its id, and the hash of its secret."""

    token_id: str
    secret_hash: bytes


class SessionGrant(NamedTuple):
    """The right of one running session to act on the attempt of its lease."""

    token: AnnouncedToken
    session_id: str
    role: SessionRole
    lease: Lease


class PresentedToken(NamedTuple):
    """A token as a caller presents it; `proves` checks it against the one that was announced."""

    token_id: str
    secret: str

    def proves(self, token: AnnouncedToken) -> bool:
        """Returns whether the secret is the one whose hash was announced."""
        return hmac.compare_digest(hashlib.sha256(self.secret.encode()).digest(), token.secret_hash)


def parse_token(text: str) -> PresentedToken | None:
    """Returns the parts of a session's token; None if the text is none."""
    match = _TOKEN.fullmatch(text)
    return None if match is None else PresentedToken(match[1], match[2])


def checked_token(token_id: str, secret_hash: bytes) -> AnnouncedToken | None:
    """Returns the token that a worker announces; None if it announces none.

    Raises:
        InvalidRequest: the id or the hash has another form.
    """
    if not token_id and not secret_hash:
        return None
    if not _TOKEN_ID.fullmatch(token_id):
        raise InvalidRequest("token_id", "must have 12 hexadecimal digits")
    if len(secret_hash) != _HASH_BYTES:
        raise InvalidRequest("token_hash", f"must have {_HASH_BYTES} bytes")
    return AnnouncedToken(token_id, secret_hash)
