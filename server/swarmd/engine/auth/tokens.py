"""The tokens and their roles. Checks use memory only; a change is written before it is used."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from swarmd.domain.errors import TokenInvalid, TokenNotFound
from swarmd.domain.model import Role
from swarmd.engine.ports import Entropy
from swarmd.store import tokens
from swarmd.store.tokens import TokenRecord
from swarmd.store.transaction import ReadTx, Tx

# `swt1_<role>_<id>_<secret>`: easy to find for those who scan for leaked secrets.
_TOKEN: Final = re.compile(r"swt1_(viewer|worker|operator)_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NO_SECRET: Final = hashlib.sha256(b"").digest()


class NewToken(NamedTuple):
    """The text of a new token and its record."""

    text: str
    record: TokenRecord


class TokenRegistry:
    """The tokens by id, with the hashes of their secrets."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._records: dict[str, TokenRecord] = {}
        # Performance: token texts that were verified, since every call brings one (docs/performance.md).
        # Cleared when any token changes.
        self._verified: dict[str, TokenRecord] = {}
        # Called with the id of a token once it is revoked, to end the streams that it has open.
        self.on_revoked: Callable[[str], None] = lambda _token_id: None

    def load(self, tx: ReadTx) -> None:
        """Reads all tokens into memory."""
        self._records = {record.token_id: record for record in tokens.list_all(tx)}
        self._verified.clear()

    def verify(self, token: str) -> TokenRecord:
        """Returns the record of a token's text. An unknown id takes as long as a wrong secret.

        Raises:
            TokenInvalid: the text is not a valid token of this swarm, or the token was revoked.
        """
        if (verified := self._verified.get(token)) is not None:
            return verified
        match = _TOKEN.fullmatch(token)
        record = self._records.get(match[2]) if match else None
        known = record.secret_hash if record is not None else _NO_SECRET
        right = hmac.compare_digest(_hash(match[3] if match else ""), known)
        if record is None or not right or record.revoked_us is not None:
            raise TokenInvalid
        self._verified[token] = record
        return record

    def find(self, token_id: str) -> TokenRecord | None:
        """Returns the token of that id, or None if it is unknown or revoked."""
        record = self._records.get(token_id)
        return None if record is None or record.revoked_us is not None else record

    def create(self, tx: Tx, role: Role, name: str) -> NewToken:
        """Creates a token. The text is returned once and stored nowhere."""
        secret = base64.urlsafe_b64encode(bytes.fromhex(self._entropy.secret() + self._entropy.secret()))
        return self._store(tx, role, self._entropy.secret()[:12], secret.decode().rstrip("="), name)

    def import_token(self, tx: Tx, token: str, name: str) -> bool:
        """Stores the token of a token file in a new database; returns False if the text is not a token."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return False
        self._store(tx, Role(match[1]), match[2], match[3], name)
        return True

    def revoke(self, tx: Tx, token_id: str) -> TokenRecord:
        """Revokes a token; it is refused from the commit on.

        Raises:
            TokenNotFound: no token has that id.
        """
        if not tokens.revoke(tx, token_id):
            raise TokenNotFound(token_id)
        record = next(record for record in tokens.list_all(tx) if record.token_id == token_id)
        tx.after_commit(partial(self._remember, record))
        tx.after_commit(lambda: self.on_revoked(token_id))
        return record

    def list_all(self, tx: ReadTx) -> Sequence[TokenRecord]:
        """Returns all tokens, the oldest first."""
        return tokens.list_all(tx)

    def _remember(self, record: TokenRecord) -> None:
        self._records[record.token_id] = record
        self._verified.clear()

    def _store(self, tx: Tx, role: Role, token_id: str, secret: str, name: str) -> NewToken:
        tokens.insert(tx, token_id=token_id, role=role, name=name, secret_hash=_hash(secret))
        record = next(record for record in tokens.list_all(tx) if record.token_id == token_id)
        tx.after_commit(partial(self._remember, record))
        return NewToken(f"swt1_{role}_{token_id}_{secret}", record)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
