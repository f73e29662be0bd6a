"""Tokens."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import CreateTokenResponse, Role, Token
from swarmctl import text_format
from swarmctl.render.blocks import Blocks, Column, Prose, Table, cell


def token_document(token: Token) -> Document:
    """Returns a token without its secret."""
    return {
        "token_id": token.token_id,
        "role": text_format.word(Role, token.role),
        "name": token.name or None,
        "created_at": text_format.iso(token, "created_at"),
        "revoked_at": text_format.iso(token, "revoked_at"),
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


TOKENS: Final = (Column("ID"), Column("ROLE"), Column("CREATED"), Column("REVOKED"), Column("NAME"))


def tokens_blocks(tokens: Sequence[Token]) -> Blocks:
    """Returns all tokens as a table."""
    rows = [
        (
            cell(token.token_id),
            cell(text_format.word(Role, token.role)),
            cell(text_format.iso(token, "created_at")),
            cell(text_format.iso(token, "revoked_at")),
            cell(token.name),
        )
        for token in tokens
    ]
    return [Table(TOKENS, rows)]
