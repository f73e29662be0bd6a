"""The terms of a token: how it is used, for how long, and what workers get by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Role

MAX_VALID_S: Final = 10 * 366 * 86_400
# A join token lies in files and variables of other machines, so it expires, whatever its maker says.
JOIN_VALID_S: Final = 86_400
MAX_USES: Final = 1_000_000
MAX_JOIN_LABELS: Final = 64
MAX_LABEL: Final = 256


class TokenKind(StrEnum):
    """The ways in which a token came to its holder."""

    # Made by an operator, to be used as it is.
    ORDINARY = "ordinary"
    # Made by an operator, to be exchanged for a credential.
    JOIN = "join"
    # Made by a worker that had a join token; nobody else has it.
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """The terms of an ordinary token without end, unless it says otherwise."""

    kind: TokenKind = TokenKind.ORDINARY
    # None for without end.
    valid_us: int | None = None
    # Of a join token only.
    labels: Mapping[str, str] = field(default_factory=dict)
    max_uses: int = 0


def ordinary_terms(*, valid_s: float | None) -> TokenTerms:
    """Returns the terms of a token that is used as it is; raises InvalidRequest for a wrong duration."""
    return TokenTerms(valid_us=_valid_us(valid_s))


def join_terms(role: Role, *, valid_s: float | None, labels: Mapping[str, str], max_uses: int) -> TokenTerms:
    """Returns the terms of a join token.

    Raises:
        InvalidRequest: A value is out of range, or the role is not that of a worker.
    """
    if role is not Role.WORKER:
        raise InvalidRequest("join", f"is for the role worker, not {role}; leave it out")
    if not 0 <= max_uses <= MAX_USES:
        raise InvalidRequest("join.max_uses", f"must be from 1 to {MAX_USES:,}, or 0 for any number")
    if len(labels) > MAX_JOIN_LABELS:
        raise InvalidRequest(
            "join.labels", f"has {len(labels)} entries; a token binds {MAX_JOIN_LABELS} at most"
        )
    for key, value in labels.items():
        if not 1 <= len(key) <= MAX_LABEL or len(value) > MAX_LABEL:
            raise InvalidRequest("join.labels", f"keys and values may have up to {MAX_LABEL} characters")
    valid_us = _valid_us(JOIN_VALID_S if valid_s is None else valid_s)
    return TokenTerms(TokenKind.JOIN, valid_us, dict(labels), max_uses)


def with_bound_labels(announced: Mapping[str, str], bound: Mapping[str, str]) -> dict[str, str]:
    """Returns the labels of a worker: those that it announces, and those that its token gives.

    Raises:
        InvalidRequest: It announces another value for a label that its token gives.
    """
    for key, value in bound.items():
        if announced.get(key, value) != value:
            raise InvalidRequest(
                "labels",
                f"{key} is {value!r} by the worker's token, not {announced[key]!r}; leave --label {key} out",
            )
    return {**announced, **bound}


def _valid_us(valid_s: float | None) -> int | None:
    if valid_s is None:
        return None
    if not 1 <= valid_s <= MAX_VALID_S:
        raise InvalidRequest("valid_for", "must be from a second to ten years")
    return int(valid_s * 1_000_000)
