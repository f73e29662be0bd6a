"""The exchange of a join token for a credential of the worker's own.

Invariant: the worker has drawn its secret and stored it durably before it asks, and only the hash arrives here. So
each side holds all that a repetition needs, at whatever moment the other one or the line failed:
- the server had not committed: the repetition is the first exchange;
- it had: id, hash, worker and instance fit the stored credential, so the answer is the same and no use is counted.
Whoever repeats with another secret, worker or instance asks for a new credential, which costs a use. Whoever repeats
what was overheard gets a good answer to it, and no secret: nobody but the worker knows the text of the credential.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from swarmd.domain.caller_errors import JoinRefused
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Role, WorkerIdentity
from swarmd.domain.token_terms import TokenKind, with_bound_labels
from swarmd.engine.auth.tokens import TokenRegistry
from swarmd.store import tokens
from swarmd.store.tokens import TokenRecord
from swarmd.store.transaction import Tx

# A credential that opens no stream for so long is deleted, unless its worker is connected. A fleet that is scaled up
# and down makes new credentials all the time.
FORGET_AFTER_US: Final = 30 * 86_400 * 1_000_000
# How exact the time of a credential's last use is: each stream that opens would cost a write otherwise.
USED_WITHIN_US: Final = 3_600 * 1_000_000
_ID: Final = re.compile(r"[0-9a-f]{12}")

_log = structlog.get_logger("swarmd")


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A worker, and the credential that it has drawn."""

    worker: str
    instance: str
    credential_id: str
    secret_hash: bytes
    labels: Mapping[str, str]


class Joining:
    """The exchange of join tokens, and the use of the credentials."""

    def __init__(self, registry: TokenRegistry) -> None:
        self._registry = registry

    def exchange(self, tx: Tx, join_token_id: str, request: JoinRequest) -> TokenRecord:
        """Stores the credential and counts the use, or finds both done; returns the credential.

        Raises:
            JoinRefused: the join token can't be exchanged any more, or the credential's id is not to be had.
            InvalidRequest: id or hash are malformed, or a label has another value than the join token gives it.
        """
        if not _ID.fullmatch(request.credential_id) or len(request.secret_hash) != 32:
            raise InvalidRequest(
                "credential_id", "must be 12 hexadecimal digits, with a secret_hash of 32 bytes"
            )
        # Read again in this transaction: an exchange before this one in the same group may have used it up.
        join = tokens.find(tx, join_token_id)
        if join is None or join.revoked_us is not None:
            raise JoinRefused(join_token_id, "was revoked")
        with_bound_labels(request.labels, join.labels)
        known = tokens.find(tx, request.credential_id)
        if known is not None:
            return _repeated(known, join, request)
        _check_usable(join, tx.now_us)
        return self._join(tx, join, request)

    def note_use(self, tx: Tx, token_id: str) -> None:
        """Notes that a worker opens a stream with its credential."""
        tokens.set_used(tx, token_id)
        self._registry.refresh(tx, token_id)

    def _join(self, tx: Tx, join: TokenRecord, request: JoinRequest) -> TokenRecord:
        idle = tokens.delete_idle_credentials(tx, before_us=tx.now_us - FORGET_AFTER_US)
        tx.after_commit(partial(self._registry.forget, idle))
        tokens.count_use(tx, join.token_id)
        self._registry.refresh(tx, join.token_id)
        credential = TokenRecord(
            token_id=request.credential_id,
            role=Role.WORKER,
            name=join.name,
            secret_hash=request.secret_hash,
            created_us=tx.now_us,
            kind=TokenKind.CREDENTIAL,
            labels=join.labels,
            used_us=tx.now_us,
            joined_by=join.token_id,
            worker=request.worker,
            instance=request.instance,
        )
        tx.after_commit(
            partial(
                _log.info, "a worker joined", worker=request.worker, token=join.token_id,
                credential=request.credential_id,
            )
        )  # fmt: skip
        return self._registry.store(tx, credential)


def is_use_due(token: TokenRecord, now_us: int) -> bool:
    """Returns whether the use of a credential should be noted: once an hour."""
    return token.kind is TokenKind.CREDENTIAL and (token.used_us or 0) + USED_WITHIN_US < now_us


def bound_identity(identity: WorkerIdentity, token: TokenRecord) -> WorkerIdentity:
    """Returns the identity with the labels that the token gives.

    Raises:
        InvalidRequest: the credential belongs to another worker or state folder, or a label has another value.
    """
    if token.kind is not TokenKind.CREDENTIAL:
        return identity
    if (identity.name, identity.instance) != (token.worker, token.instance):
        raise InvalidRequest(
            "worker",
            f"{identity.name!r} has the credential of {token.worker!r}, or of another state folder; join again",
        )
    return replace(identity, labels=with_bound_labels(identity.labels, token.labels))


def _repeated(known: TokenRecord, join: TokenRecord, request: JoinRequest) -> TokenRecord:
    same = (known.joined_by, known.worker, known.instance) == (
        join.token_id,
        request.worker,
        request.instance,
    )
    if not same or not hmac.compare_digest(known.secret_hash, request.secret_hash):
        raise JoinRefused(
            join.token_id, "can't make a credential of that id; remove the worker's file `joining`"
        )
    if known.revoked_us is not None:
        raise JoinRefused(join.token_id, f"made the credential {known.token_id}, which was revoked")
    return known


def _check_usable(join: TokenRecord, now_us: int) -> None:
    another = "make another with `swarmctl worker-config`"
    if join.has_expired(now_us):
        raise JoinRefused(join.token_id, f"expired at {_time(join.expires_us)}; {another}")
    if join.used_up:
        often = "once" if join.max_uses == 1 else f"{join.uses} times"
        raise JoinRefused(
            join.token_id, f"was used {often}, last at {_time(join.used_us)}, as often as it may; {another}"
        )


def _time(us: int | None) -> str:
    return datetime.fromtimestamp((us or 0) / 1_000_000, UTC).isoformat(timespec="seconds")
