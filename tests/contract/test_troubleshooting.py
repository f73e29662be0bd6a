"""The guide to troubles is true: each message that it quotes is one that the code says."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from contract.repository import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
ROOMS = ("protos/amplifier_swarm", "server/swarmd", "worker/swarm_worker", "client")
# The messages stand in the first column. The part of a message that differs is `…` in the guide and in `texts`.
MESSAGES = re.findall(r"^\|[^|`]*`([^`|]{12,})`[^|]*\|", PAGE, re.MULTILINE)
FEWEST = 33


@cache
def texts() -> frozenset[str]:
    """All texts in the code, with `…` for what is put in."""
    return frozenset(
        text
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for text in _text(node)
    )


def _text(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield re.sub(r"\{\w*\}", "…", text)
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_one_that_the_code_says(message: str) -> None:
    pattern = re.compile(".*".join(map(re.escape, re.split("…+", message))), re.DOTALL)

    assert any(pattern.search(text) for text in texts())


def test_the_guide_quotes_many_messages() -> None:
    assert len(MESSAGES) >= FEWEST


def test_each_command_of_the_guide_is_one_of_swarmctl() -> None:
    from swarmctl.cli.registry import COMMANDS  # noqa: PLC0415  # the registry alone is light

    named = set(re.findall(r"(?:`|^)swarmctl ([a-z-]+)", PAGE, re.MULTILINE))

    assert named
    assert named <= set(COMMANDS)
