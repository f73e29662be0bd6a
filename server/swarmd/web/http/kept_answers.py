"""Answers to requests that carry an Idempotency-Key, so that a repeated request gets the answer of the first."""

import hashlib
import re
from collections import OrderedDict
from typing import Final

from amplifier_swarm.documents import Document
from swarmd.domain.errors import InvalidRequest
from swarmd.web.http.errors import IdempotencyKeyReused

HEADER: Final = "Idempotency-Key"
# Answers to more requests than anybody repeats; each is some counts and warnings.
KEPT: Final = 1_000
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class KeptAnswers:
    """The latest answers of this server process. Nothing is kept for a request without a key."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], tuple[bytes, Document]] = OrderedDict()

    def find(self, caller: str, key: str, request: str) -> Document | None:
        """Returns the answer to the same request with the same key of the same caller; None if there was none.

        Raises:
            InvalidRequest: The key is too long, or has other characters than printable ASCII.
            IdempotencyKeyReused: The key came with another request.
        """
        if not key:
            return None
        if not _KEY.fullmatch(key):
            raise InvalidRequest(HEADER, "must have 1 to 255 printable ASCII characters, without blanks")
        kept = self._answers.get((caller, key))
        if kept is None:
            return None
        if kept[0] != _digest(request):
            raise IdempotencyKeyReused(key)
        return kept[1]

    def keep(self, caller: str, key: str, request: str, answer: Document) -> None:
        """Keeps an answer; forgets the oldest if there are too many."""
        if not key:
            return
        self._answers[caller, key] = (_digest(request), answer)
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)


def _digest(request: str) -> bytes:
    return hashlib.sha256(request.encode()).digest()
