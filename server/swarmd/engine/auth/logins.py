"""Logins of browsers: a code that is good once and not for long becomes a cookie that is good for half a day.

Whoever logs in acts as the token that made the code, and for no longer than that token is good. A login is
known by the hash of its cookie; its CSRF token follows from the cookie, so nothing that is stored gives it.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.errors import DashboardOff, LoginExpired
from swarmd.engine.auth.tokens import Access
from swarmd.engine.ports import Clock, Entropy
from swarmd.store import logins
from swarmd.store.logins import LoginRecord
from swarmd.store.tokens import TokenRecord
from swarmd.store.transaction import ReadTx, Tx

CODE_S: Final = 60.0
LOGIN_S: Final = 12 * 3_600
# More than anybody opens in a minute; older ones make room.
MAX_CODES: Final = 64


@dataclass(frozen=True, slots=True)
class Login:
    """A browser that is logged in."""

    token: TokenRecord
    csrf: str


@dataclass(frozen=True, slots=True)
class _Code:
    token_id: str
    deadline_s: float


class Logins:
    """Knows every code and every login."""

    def __init__(self, access: Access, clock: Clock, entropy: Entropy) -> None:
        self._access = access
        self._clock = clock
        self._entropy = entropy
        self._codes: dict[str, _Code] = {}
        self._records: dict[bytes, LoginRecord] = {}
        # Where the dashboard is; empty if it is off.
        self.url = ""

    def load(self, tx: ReadTx) -> None:
        """Reads all logins."""
        self._records = {record.secret_hash: record for record in logins.list_all(tx)}

    def link(self, token: TokenRecord) -> str:
        """The address that logs a browser in once, as the holder of the token."""
        if not self.url:
            raise DashboardOff
        code = self._entropy.secret()
        self._codes[code] = _Code(token.token_id, self._clock.monotonic_s() + CODE_S)
        while len(self._codes) > MAX_CODES:
            del self._codes[next(iter(self._codes))]
        return f"{self.url}/login?code={code}"

    def redeem(self, code: str) -> TokenRecord:
        """Whose code it is; from now on it is nobody's."""
        found = self._codes.pop(code, None)
        token = None if found is None else self._access.by_id(found.token_id)
        if found is None or token is None or found.deadline_s <= self._clock.monotonic_s():
            raise LoginExpired
        return token

    def begin(self, tx: Tx, token: TokenRecord, *, instead_of: str = "") -> str:
        """Logs a browser in; returns the cookie. The one that it had is worthless from then on."""
        secret = self._entropy.secret() + self._entropy.secret()
        record = LoginRecord(_hash(secret), token.token_id, tx.now_us + LOGIN_S * 1_000_000)
        logins.delete_expired(tx)
        self.end(tx, instead_of)
        logins.insert(tx, record)
        tx.after_commit(partial(self._records.__setitem__, record.secret_hash, record))
        return secret

    def end(self, tx: Tx, secret: str) -> None:
        """Logs out."""
        logins.delete(tx, _hash(secret))
        tx.after_commit(partial(self._forget, _hash(secret)))

    def find(self, secret: str) -> Login | None:
        """The login of that cookie, None if it has ended or its token was revoked."""
        record = self._records.get(_hash(secret))
        if record is None or record.expires_us <= self._clock.wall_us():
            return None
        token = self._access.by_id(record.token_id)
        return None if token is None else Login(token, csrf_of(secret))

    def _forget(self, secret_hash: bytes) -> None:
        self._records.pop(secret_hash, None)


def csrf_of(secret: str) -> str:
    """The CSRF token of a login: who reads it can't tell the cookie."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
