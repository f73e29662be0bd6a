"""The tokens and their roles. Checks use memory only; a change is written before it is used.

Invariant: expiry is judged by the wall clock at each use and stored nowhere. A clock that is set forward ends tokens
too early, and they are good again once it is set back.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from swarmd.domain.caller_errors import RoleDenied, TokenExpired, TokenInvalid
from swarmd.domain.errors import TokenNotFound
from swarmd.domain.model import Role
from swarmd.domain.token_terms import TokenKind, TokenTerms
from swarmd.engine.ports import Clock, Entropy
from swarmd.store import tokens
from swarmd.store.tokens import TokenRecord
from swarmd.store.transaction import ReadTx, Tx

# `swt1_<role>_<id>_<secret>`, with `join` as the role of a join token: easy to find for those who scan for leaks.
_TOKEN: Final = re.compile(r"swt1_(viewer|worker|operator|join)_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NO_SECRET: Final = hashlib.sha256(b"").digest()


class NewToken(NamedTuple):
    """The text of a new token and its record."""

    text: str
    record: TokenRecord


class TokenRegistry:
    """The tokens by id, with the hashes of their secrets."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._records: dict[str, TokenRecord] = {}
        # Those that will expire: a part of the records, since the credentials of a large fleet do not.
        self._expiring: dict[str, TokenRecord] = {}
        # Performance: token texts that were verified, since every call brings one (docs/performance.md).
        # Cleared when any token changes.
        self._verified: dict[str, TokenRecord] = {}
        # Called with the id of a token once it is revoked or has expired, to end the streams that it has open.
        self.on_revoked: Callable[[str], None] = lambda _token_id: None

    def load(self, tx: ReadTx) -> None:
        """Reads all tokens into memory."""
        self._records = {record.token_id: record for record in tokens.list_all(tx)}
        self._expiring = {key: record for key, record in self._records.items() if record.expires_us}
        self._verified.clear()

    def verify(self, token: str) -> TokenRecord:
        """Returns the record of a token's text. An unknown id takes as long as a wrong secret.

        Raises:
            TokenInvalid: the text is not a valid token of this swarm, or the token was revoked.
            TokenExpired: the token is too old.
            RoleDenied: it is a join token.
        """
        record = self._verified.get(token) or self._verify_secret(token)
        if record.kind is TokenKind.JOIN:
            raise RoleDenied(TokenKind.JOIN, "anything but JoinSwarm")
        if record.has_expired(self._clock.wall_us()):
            raise TokenExpired(record.token_id)
        self._verified[token] = record
        return record

    def verify_join(self, token: str) -> TokenRecord:
        """Returns the record of a join token, which may have expired: an exchange that was made may be repeated.

        Raises:
            TokenInvalid: the text is not a valid token of this swarm, or the token was revoked.
            RoleDenied: it is a token of another kind.
        """
        record = self._verify_secret(token)
        if record.kind is not TokenKind.JOIN:
            raise RoleDenied(record.role, "JoinSwarm")
        return record

    def find(self, token_id: str) -> TokenRecord | None:
        """Returns the token of that id, or None if it is unknown, revoked or too old."""
        record = self._records.get(token_id)
        if record is None or record.revoked_us is not None or record.has_expired(self._clock.wall_us()):
            return None
        return record

    def end_expired(self) -> None:
        """Ends the open streams of tokens that have expired."""
        now_us = self._clock.wall_us()
        for record in self._expiring.values():
            if record.has_expired(now_us):
                self.on_revoked(record.token_id)

    def create(self, tx: Tx, role: Role, name: str, terms: TokenTerms = TokenTerms()) -> NewToken:  # noqa: B008
        """Creates a token. The text is returned once and stored nowhere."""
        secret = base64.urlsafe_b64encode(bytes.fromhex(self._entropy.secret() + self._entropy.secret()))
        text = secret.decode().rstrip("=")
        record = TokenRecord(
            token_id=self._entropy.secret()[:12],
            role=role,
            name=name,
            secret_hash=secret_hash(text),
            created_us=tx.now_us,
            kind=terms.kind,
            expires_us=None if terms.valid_us is None else tx.now_us + terms.valid_us,
            labels=terms.labels,
            max_uses=terms.max_uses,
        )
        prefix = TokenKind.JOIN if terms.kind is TokenKind.JOIN else role
        return NewToken(f"swt1_{prefix}_{record.token_id}_{text}", self.store(tx, record))

    def import_token(self, tx: Tx, token: str, name: str) -> bool:
        """Stores the token of a token file, unless it is stored; returns False if the text is not an ordinary token."""
        match = _TOKEN.fullmatch(token)
        if match is None or match[1] == TokenKind.JOIN:
            return False
        self.store(tx, TokenRecord(match[2], Role(match[1]), name, secret_hash(match[3]), tx.now_us))
        return True

    def revoke(self, tx: Tx, token_id: str) -> TokenRecord:
        """Revokes a token; it is refused from the commit on.

        Raises:
            TokenNotFound: no token has that id.
        """
        if not tokens.revoke(tx, token_id):
            raise TokenNotFound(token_id)
        record = self.refresh(tx, token_id)
        tx.after_commit(lambda: self.on_revoked(token_id))
        return record

    def list_all(self, tx: ReadTx) -> Sequence[TokenRecord]:
        """Returns all tokens, the oldest first."""
        return tokens.list_all(tx)

    def store(self, tx: Tx, record: TokenRecord) -> TokenRecord:
        """Stores a token, unless one has that id; returns the one that is stored."""
        tokens.insert(tx, record)
        return self.refresh(tx, record.token_id)

    def refresh(self, tx: Tx, token_id: str) -> TokenRecord:
        """Returns a token of the store; memory has it from the commit on."""
        record = tokens.find(tx, token_id)
        assert record is not None
        tx.after_commit(partial(self._remember, record))
        return record

    def forget(self, token_ids: Sequence[str]) -> None:
        """Forgets tokens that were deleted."""
        for token_id in token_ids:
            self._records.pop(token_id, None)
        self._verified.clear()

    def _verify_secret(self, token: str) -> TokenRecord:
        match = _TOKEN.fullmatch(token)
        record = self._records.get(match[2]) if match else None
        known = record.secret_hash if record is not None else _NO_SECRET
        right = hmac.compare_digest(secret_hash(match[3] if match else ""), known)
        if record is None or not right or record.revoked_us is not None:
            raise TokenInvalid
        return record

    def _remember(self, record: TokenRecord) -> None:
        self._records[record.token_id] = record
        if record.expires_us:
            self._expiring[record.token_id] = record
        self._verified.clear()


def secret_hash(secret: str) -> bytes:
    """Returns the hash of a token's secret, which is all of it that the database holds."""
    return hashlib.sha256(secret.encode()).digest()
