"""Tokens."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import CreateTokenResponse, Role, Token, TokenKind
from swarmctl import text_format
from swarmctl.render.blocks import Blocks, Column, Prose, Table, cell


def token_document(token: Token) -> Document:
    """Returns a token without its secret."""
    return {
        "token_id": token.token_id,
        "role": text_format.word(Role, token.role),
        "kind": text_format.word(TokenKind, token.kind),
        "name": token.name or None,
        "created_at": text_format.iso(token, "created_at"),
        "expires_at": text_format.iso(token, "expires_at"),
        "revoked_at": text_format.iso(token, "revoked_at"),
        "labels": dict(token.labels),
        "max_uses": token.max_uses,
        "uses": token.uses,
        "used_at": text_format.iso(token, "used_at"),
        "worker": token.worker or None,
        "joined_by": token.joined_by or None,
    }


def created_document(answer: CreateTokenResponse) -> Document:
    """Returns a token with its secret, which is shown only once."""
    return {"token": answer.token, **token_document(answer.info)}


def created_blocks(answer: CreateTokenResponse) -> Blocks:
    """Returns the secret alone, so that it can be written into a file."""
    return [Prose(printable(answer.token), indent=0)]


def tokens_document(tokens: Sequence[Token]) -> Document:
    """Returns all tokens."""
    return [token_document(token) for token in tokens]


TOKENS: Final = (
    Column("ID"),
    Column("ROLE"),
    Column("KIND", rank=1),
    Column("CREATED", rank=4),
    Column("EXPIRES", rank=2),
    Column("REVOKED"),
    Column("USED", flexible=True, good=40, rank=3),
    Column("LABELS", flexible=True, rank=5),
    Column("NAME", flexible=True, least=16),
)


def tokens_blocks(tokens: Sequence[Token]) -> Blocks:
    """Returns all tokens as a table."""
    rows = [
        (
            cell(token.token_id),
            cell(text_format.word(Role, token.role)),
            cell(text_format.word(TokenKind, token.kind)),
            cell(text_format.moment(token, "created_at")),
            cell(text_format.moment(token, "expires_at")),
            cell(text_format.moment(token, "revoked_at")),
            cell(_use(token)),
            cell(",".join(f"{key}={value}" for key, value in sorted(token.labels.items()))),
            cell(token.name),
        )
        for token in tokens
    ]
    return [Table(TOKENS, rows, terse=True)]


def _use(token: Token) -> str:
    """Returns how often a join token was exchanged and when last; of a credential, who has it, from which token."""
    at = text_format.moment(token, "used_at")
    if token.kind == TokenKind.TOKEN_KIND_JOIN:
        often = f"{token.uses} of {token.max_uses}" if token.max_uses else f"{token.uses}"
        return f"{often}, {at}" if at else often
    if token.kind == TokenKind.TOKEN_KIND_CREDENTIAL:
        return f"{token.worker}, {at}, by {token.joined_by}"
    return ""
