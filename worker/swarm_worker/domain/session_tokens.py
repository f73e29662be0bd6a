"""The token of one session, which the worker draws itself. The server learns its id and the hash of its secret."""

import binascii
import hashlib
import os
from typing import NamedTuple


class SessionToken(NamedTuple):
    """A token for SessionService."""

    token_id: str
    secret: str

    @property
    def text(self) -> str:
        """Returns the token as the session gets it."""
        return f"swt1_session_{self.token_id}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """Returns the hash that the server gets."""
        return hashlib.sha256(self.secret.encode()).digest()


def draw_secret() -> str:
    """Returns 32 random bytes as 43 characters of base64url."""
    text = binascii.b2a_base64(os.urandom(32), newline=False).decode()
    return text.translate({43: "-", 47: "_", 61: None})


def draw_session_token() -> SessionToken:
    """Returns a new token."""
    return SessionToken(os.urandom(6).hex(), draw_secret())
