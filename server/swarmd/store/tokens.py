"""Tokens as rows. Invariant: the database has only the hash of a secret."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.model import Role
from swarmd.store.transaction import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as it is stored."""

    token_id: str
    role: Role
    name: str
    secret_hash: bytes
    created_us: int
    revoked_us: int | None


def insert(tx: Tx, *, token_id: str, role: Role, name: str, secret_hash: bytes) -> None:
    """Stores a token; an existing one with that id stays as it is."""
    tx.run("token_insert", token_id=token_id, role=role, name=name, secret_hash=secret_hash, now_us=tx.now_us)


def list_all(tx: ReadTx) -> Sequence[TokenRecord]:
    """Returns all tokens, the oldest first."""
    return [TokenRecord(token_id, Role(role), *rest) for token_id, role, *rest in tx.all("token_all")]


def revoke(tx: Tx, token_id: str) -> bool:
    """Revokes the token; returns False if the id is unknown."""
    return tx.run("token_revoke", token_id=token_id, now_us=tx.now_us) > 0
