"""Tokens as rows. Invariant: the database has only the hash of a secret."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from swarmd.domain.model import Role
from swarmd.domain.token_terms import TokenKind
from swarmd.store import definition_json
from swarmd.store.transaction import ReadTx, Row, Tx


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as it is stored."""

    token_id: str
    role: Role
    name: str
    secret_hash: bytes
    created_us: int
    revoked_us: int | None = None
    kind: TokenKind = TokenKind.ORDINARY
    # By the wall clock; None if it does not expire.
    expires_us: int | None = None
    # The labels that workers have by a join token, or by a credential.
    labels: Mapping[str, str] = field(default_factory=dict)
    # How often a join token may be exchanged, 0 without limit, and how often it was.
    max_uses: int = 0
    uses: int = 0
    # Of a join token the last exchange, of a credential about the last stream that was opened with it.
    used_us: int | None = None
    # Of a credential: the id of the join token, and the worker that has it.
    joined_by: str = ""
    worker: str = ""
    instance: str = ""

    @property
    def used_up(self) -> bool:
        """Returns whether a join token was exchanged as often as it may be."""
        return 0 < self.max_uses <= self.uses

    def has_expired(self, now_us: int) -> bool:
        """Returns whether the token is too old at that time."""
        return self.expires_us is not None and self.expires_us <= now_us


def insert(tx: Tx, record: TokenRecord) -> None:
    """Stores a token, made now; an existing one with that id stays as it is."""
    tx.run(
        "token_insert",
        token_id=record.token_id,
        role=record.role,
        name=record.name,
        secret_hash=record.secret_hash,
        now_us=tx.now_us,
        kind=record.kind,
        expires_us=record.expires_us,
        labels=definition_json.encode_labels(dict(record.labels)),
        max_uses=record.max_uses,
        used_us=record.used_us,
        joined_by=record.joined_by or None,
        worker=record.worker,
        instance=record.instance,
    )


def list_all(tx: ReadTx) -> Sequence[TokenRecord]:
    """Returns all tokens, the oldest first."""
    return [_record(row) for row in tx.all("token_all")]


def find(tx: ReadTx, token_id: str) -> TokenRecord | None:
    """Returns the token of that id, None if there is none."""
    row = tx.one("token_by_id", token_id=token_id)
    return None if row is None else _record(row)


def revoke(tx: Tx, token_id: str) -> bool:
    """Revokes the token; returns False if the id is unknown."""
    return tx.run("token_revoke", token_id=token_id, now_us=tx.now_us) > 0


def count_use(tx: Tx, token_id: str) -> None:
    """Counts an exchange of a join token."""
    tx.run("token_count_use", token_id=token_id, now_us=tx.now_us)


def set_used(tx: Tx, token_id: str) -> None:
    """Notes that a stream was opened with a credential."""
    tx.run("token_set_used", token_id=token_id, now_us=tx.now_us)


def delete_idle_credentials(tx: Tx, *, before_us: int) -> Sequence[str]:
    """Deletes the credentials without use since that time, whose workers are not here; returns their ids."""
    idle = [token_id for (token_id,) in tx.all("token_idle_credentials", before_us=before_us)]
    for token_id in idle:
        tx.run("token_delete", token_id=token_id)
    return idle


def _record(row: Row) -> TokenRecord:
    (
        token_id, role, name, secret_hash, created_us, revoked_us, kind, expires_us, labels, max_uses, uses, used_us,
        joined_by, worker, instance,
    ) = row  # fmt: skip
    return TokenRecord(
        token_id, Role(role), name, secret_hash, created_us, revoked_us, TokenKind(kind), expires_us,
        json.loads(labels), max_uses, uses, used_us, joined_by, worker, instance,
    )  # fmt: skip
