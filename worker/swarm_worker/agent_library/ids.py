"""The rule by which the library names our sessions: its ids have 8 to 64 characters, ours up to 81."""

import re
from hashlib import sha256
from typing import Final

VALID: Final = re.compile(r"[a-z0-9][a-z0-9-]{7,63}")
KEPT_CHARS: Final = 51
DIGEST_CHARS: Final = 12


def library_id(session_id: str) -> str:
    """Returns the id itself if the library accepts it, else its beginning and a digest of the whole."""
    if VALID.fullmatch(session_id):
        return session_id
    digest = sha256(session_id.encode()).hexdigest()[:DIGEST_CHARS]
    return f"{session_id[:KEPT_CHARS]}-{digest}"
