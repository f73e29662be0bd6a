"""Logins of browsers: a code that works once, for a minute, becomes a cookie that works for half a day.

A login acts as the token that made its code, and ends when that token is revoked. The store holds the hash of the
cookie only.

Invariant: the cookie does not reveal the CSRF token. Browsers send a cookie to every port of its host, so another
program of that host may learn the cookie. The cookie is derived from a random CSRF token, which only the answer to a
login has, and which the page keeps in a store of its own origin.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import partial
from typing import Final

from swarmd.domain.caller_errors import LoginExpired
from swarmd.domain.errors import DashboardOff
from swarmd.domain.model import Role
from swarmd.domain.token_terms import TokenTerms
from swarmd.engine.auth.tokens import TokenRegistry
from swarmd.engine.ports import Clock, Entropy
from swarmd.store import logins
from swarmd.store.logins import LoginRecord
from swarmd.store.tokens import TokenRecord
from swarmd.store.transaction import ReadTx, Tx

CODE_S: Final = 60.0
# A link to share has to reach somebody first.
SHARED_CODE_S: Final = 3_600.0
SHARED_NAME: Final = "shared link"
LOGIN_S: Final = 12 * 3_600
# More than a person opens in a minute; beyond it the oldest code is dropped.
MAX_CODES: Final = 64


@dataclass(frozen=True, slots=True)
class Login:
    """A browser that is logged in."""

    token: TokenRecord


@dataclass(frozen=True, slots=True)
class NewLogin:
    """The secrets of a new login; the server keeps neither."""

    cookie: str
    csrf: str


@dataclass(frozen=True, slots=True)
class _Handover:
    csrf: str
    deadline_s: float


@dataclass(frozen=True, slots=True)
class _Code:
    token_id: str
    deadline_s: float


class Logins:
    """The codes and logins of the dashboard."""

    def __init__(self, registry: TokenRegistry, clock: Clock, entropy: Entropy) -> None:
        self._registry = registry
        self._clock = clock
        self._entropy = entropy
        self._codes: dict[str, _Code] = {}
        self._records: dict[bytes, LoginRecord] = {}
        self._handovers: dict[str, _Handover] = {}
        # The URL of the dashboard; empty if it is off.
        self.url = ""

    def load(self, tx: ReadTx) -> None:
        """Reads all logins into memory."""
        self._records = {record.secret_hash: record for record in logins.list_all(tx)}

    def make_link(self, token: TokenRecord) -> str:
        """Returns the URL that logs a browser in once, as the holder of the token.

        Raises:
            DashboardOff: this server serves no dashboard.
        """
        if not self.url:
            raise DashboardOff
        return self._link(token, CODE_S)

    def share_link(self, tx: Tx) -> str:
        """Returns a URL that logs a browser in once, as a new viewer's token that ends with the login.

        Raises:
            DashboardOff: this server serves no dashboard.
        """
        if not self.url:
            raise DashboardOff
        terms = TokenTerms(valid_us=(LOGIN_S + int(SHARED_CODE_S)) * 1_000_000)
        token = self._registry.create(tx, Role.VIEWER, SHARED_NAME, terms).record
        return self._link(token, SHARED_CODE_S)

    def _link(self, token: TokenRecord, valid_s: float) -> str:
        code = self._entropy.secret()
        self._codes[code] = _Code(token.token_id, self._clock.monotonic_s() + valid_s)
        while len(self._codes) > MAX_CODES:
            del self._codes[next(iter(self._codes))]
        return f"{self.url}/login?code={code}"

    def redeem(self, code: str) -> TokenRecord:
        """Uses a code up and returns the token that made it.

        Raises:
            LoginExpired: the code is unknown, used or too old, or its token was revoked.
        """
        found = self._codes.pop(code, None)
        token = None if found is None else self._registry.find(found.token_id)
        if found is None or token is None or found.deadline_s <= self._clock.monotonic_s():
            raise LoginExpired
        return token

    def log_in(self, tx: Tx, token: TokenRecord, *, instead_of: str = "") -> NewLogin:
        """Logs a browser in and returns its secrets; ends the login of the cookie `instead_of`."""
        csrf = self._entropy.secret() + self._entropy.secret()
        cookie = cookie_of(csrf)
        record = LoginRecord(_hash(cookie), token.token_id, tx.now_us + LOGIN_S * 1_000_000)
        logins.delete_expired(tx)
        self.log_out(tx, instead_of)
        logins.insert(tx, record)
        tx.after_commit(partial(self._records.__setitem__, record.secret_hash, record))
        return NewLogin(cookie, csrf)

    def hold_csrf(self, login: NewLogin) -> None:
        """Keeps the CSRF token of a login by a link, whose answer is a redirect, until the page asks for it."""
        self._handovers[login.cookie] = _Handover(login.csrf, self._clock.monotonic_s() + CODE_S)
        while len(self._handovers) > MAX_CODES:
            del self._handovers[next(iter(self._handovers))]

    def hand_over_csrf(self, cookie: str) -> str:
        """Returns the CSRF token of a new login by a link, once and within CODE_S; otherwise an empty text."""
        found = self._handovers.pop(cookie, None)
        return "" if found is None or found.deadline_s <= self._clock.monotonic_s() else found.csrf

    def log_out(self, tx: Tx, secret: str) -> None:
        """Ends the login of that cookie."""
        logins.delete(tx, _hash(secret))
        tx.after_commit(partial(self._forget, _hash(secret)))

    def find(self, secret: str) -> Login | None:
        """Returns the login of that cookie, or None if it has ended or its token was revoked."""
        record = self._records.get(_hash(secret))
        if record is None or record.expires_us <= self._clock.wall_us():
            return None
        token = self._registry.find(record.token_id)
        return None if token is None else Login(token)

    def _forget(self, secret_hash: bytes) -> None:
        self._records.pop(secret_hash, None)


def cookie_of(csrf: str) -> str:
    """Returns the cookie of the login with this CSRF token, which can't be derived from the cookie."""
    return hmac.new(csrf.encode(), b"cookie", hashlib.sha256).hexdigest()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
