"""Tokens and what they may do. Checked from memory; changes are written first."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from swarmd.domain.errors import TokenInvalid, TokenNotFound
from swarmd.domain.model import Role
from swarmd.engine.ports import Entropy
from swarmd.store import tokens
from swarmd.store.tokens import TokenRecord
from swarmd.store.transaction import ReadTx, Tx

# `swt1_<role>_<id>_<secret>`: easy to find for those who scan for leaked secrets.
_TOKEN: Final = re.compile(r"swt1_(viewer|worker|operator)_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY: Final = hashlib.sha256(b"").digest()


class Access:
    """Knows every token by its id and the hash of its secret."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._records: dict[str, TokenRecord] = {}
        # Texts that were found right: every call brings one. Forgotten when any token changes.
        self._right: dict[str, TokenRecord] = {}
        # Called with the id of a token once it is revoked, to end what it has open.
        self.on_revoked: Callable[[str], None] = lambda _token_id: None

    def load(self, tx: ReadTx) -> None:
        """Reads all tokens."""
        self._records = {record.token_id: record for record in tokens.every(tx)}
        self._right.clear()

    def record_of(self, token: str) -> TokenRecord:
        """Whose token it is; raises TokenInvalid, taking as long for an unknown id as for a wrong secret."""
        if (known_right := self._right.get(token)) is not None:
            return known_right
        match = _TOKEN.fullmatch(token)
        record = self._records.get(match[2]) if match else None
        known = record.secret_hash if record is not None else _NOBODY
        right = hmac.compare_digest(_hash(match[3] if match else ""), known)
        if record is None or not right or record.revoked_us is not None:
            raise TokenInvalid
        self._right[token] = record
        return record

    def by_id(self, token_id: str) -> TokenRecord | None:
        """The token of that id, None if there is none or it was revoked."""
        record = self._records.get(token_id)
        return None if record is None or record.revoked_us is not None else record

    def create(self, tx: Tx, role: Role, name: str) -> tuple[str, TokenRecord]:
        """Makes a token; the text is returned once and kept nowhere."""
        secret = base64.urlsafe_b64encode(bytes.fromhex(self._entropy.secret() + self._entropy.secret()))
        return self._store(tx, role, self._entropy.secret()[:12], secret.decode().rstrip("="), name)

    def adopt(self, tx: Tx, token: str, name: str) -> bool:
        """Takes a token of a token file into a new database; False if it is none."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return False
        self._store(tx, Role(match[1]), match[2], match[3], name)
        return True

    def revoke(self, tx: Tx, token_id: str) -> TokenRecord:
        """Makes it worthless at once."""
        if not tokens.revoke(tx, token_id):
            raise TokenNotFound(token_id)
        record = next(record for record in tokens.every(tx) if record.token_id == token_id)
        tx.after_commit(partial(self._keep, record))
        tx.after_commit(lambda: self.on_revoked(token_id))
        return record

    def every(self, tx: ReadTx) -> Sequence[TokenRecord]:
        """All tokens, the oldest first."""
        return tokens.every(tx)

    def _keep(self, record: TokenRecord) -> None:
        self._records[record.token_id] = record
        self._right.clear()

    def _store(self, tx: Tx, role: Role, token_id: str, secret: str, name: str) -> tuple[str, TokenRecord]:
        tokens.put(tx, token_id=token_id, role=role, name=name, secret_hash=_hash(secret))
        record = next(record for record in tokens.every(tx) if record.token_id == token_id)
        tx.after_commit(partial(self._keep, record))
        return f"swt1_{role}_{token_id}_{secret}", record


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
