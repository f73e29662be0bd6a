"""Logins of browsers as rows: what is kept of a cookie is a hash."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmd.store.transaction import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """What is known of a login."""

    secret_hash: bytes
    token_id: str
    expires_us: int


def put(tx: Tx, record: LoginRecord) -> None:
    """Stores a login."""
    tx.run(
        "login_put",
        secret_hash=record.secret_hash,
        token_id=record.token_id,
        expires_us=record.expires_us,
    )


def every(tx: ReadTx) -> Sequence[LoginRecord]:
    """All logins."""
    return [LoginRecord(*row) for row in tx.all("login_all")]


def end(tx: Tx, secret_hash: bytes) -> None:
    """Ends a login; one that is not there has ended already."""
    tx.run("login_end", secret_hash=secret_hash)


def end_old(tx: Tx) -> None:
    """Ends those whose time is over."""
    tx.run("login_end_old", now_us=tx.now_us)
