"""Tokens as rows: what is kept is a hash."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.domain.model import Role
from swarmd.store.transaction import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token."""

    token_id: str
    role: Role
    name: str
    secret_hash: bytes
    created_us: int
    revoked_us: int | None


def put(tx: Tx, *, token_id: str, role: Role, name: str, secret_hash: bytes) -> None:
    """Stores a token; one that is there stays as it is."""
    tx.run("token_put", token_id=token_id, role=role, name=name, secret_hash=secret_hash, now_us=tx.now_us)


def every(tx: ReadTx) -> Sequence[TokenRecord]:
    """All tokens, the oldest first."""
    return [TokenRecord(row[0], Role(row[1]), *row[2:]) for row in tx.all("token_all")]


def revoke(tx: Tx, token_id: str) -> bool:
    """Makes it worthless; False if there is none of that id."""
    return tx.run("token_revoke", token_id=token_id, now_us=tx.now_us) > 0
