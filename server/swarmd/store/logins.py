"""Logins of browsers as rows. Invariant: the database has only the hash of a cookie."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.store.transaction import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """A login as it is stored."""

    secret_hash: bytes
    token_id: str
    expires_us: int


def insert(tx: Tx, record: LoginRecord) -> None:
    """Stores a login."""
    tx.run(
        "login_insert",
        secret_hash=record.secret_hash,
        token_id=record.token_id,
        expires_us=record.expires_us,
    )


def list_all(tx: ReadTx) -> Sequence[LoginRecord]:
    """Returns all logins."""
    return [LoginRecord(*row) for row in tx.all("login_all")]


def delete(tx: Tx, secret_hash: bytes) -> None:
    """Removes a login; an unknown one is ignored."""
    tx.run("login_delete", secret_hash=secret_hash)


def delete_expired(tx: Tx) -> None:
    """Removes the logins that have expired."""
    tx.run("login_delete_expired", now_us=tx.now_us)
