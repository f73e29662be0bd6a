"""Puts text of any origin and size into a prompt. Its one rule: quoted text can't end its quotation."""

import re
from collections.abc import Iterable
from typing import Final

from amplifier_swarm.text import one_line, printable

LEAST_FENCE: Final = 3
ITEM_CHARS: Final = 4_000
SECTION_CHARS: Final = 40_000
LONGEST_RUN: Final = 16
_BLOCK: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_RUN: Final = re.compile(f"`{{{LONGEST_RUN + 1},}}")


def fenced(text: str) -> str:
    """The text as a block whose fence is longer than every run of backticks in it."""
    return f"{_fence(text, LEAST_FENCE)}\n{text}\n{_fence(text, LEAST_FENCE)}"


def quoted(text: str, limit: int) -> str:
    """A session's text as a block of its own: at most so much of it, and nothing in it hidden."""
    return fenced(shown(text, limit).strip("\n"))


def shown(text: str, limit: int) -> str:
    """The beginning of a text, without what a reader would not see but a model would."""
    return cut(_plain(text[: limit + 1]), limit)


def shown_end(text: str, limit: int) -> str:
    """The end of a text, in the same way: what a program prints last says most."""
    tail = _plain(text[-limit:])
    return f"…{tail[1 - limit :]}" if len(text) > limit or len(tail) > limit else tail


def cut(text: str, limit: int) -> str:
    """The text with at most that many characters; says so where it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def balanced(text: str) -> str:
    """An author's text with its last block closed, so that it can't take in what is quoted after it."""
    fence = ""
    for found in _BLOCK.finditer(text):
        marks, rest = found[1], found[2].strip()
        if not fence:
            fence = "" if "`" in rest and marks[0] == "`" else marks
        elif marks.startswith(fence) and not rest:
            fence = ""
    return f"{text}\n{fence}" if fence else text


def line(text: str, limit: int) -> str:
    """The text on one harmless line, however long it was."""
    return one_line(text[: 2 * limit], limit)


def code(text: str) -> str:
    """The text on one line as code, whatever backticks it has."""
    shortened = line(text, ITEM_CHARS)
    tick = _fence(shortened, 1)
    pad = " " if shortened.startswith("`") or shortened.endswith("`") else ""
    return f"{tick}{pad}{shortened}{pad}{tick}"


def section(title: str, items: Iterable[str], *, limit: int = SECTION_CHARS) -> str:
    """A titled list that ends before the limit and says how much it left out; empty without items."""
    lines = [f"- {balanced(cut(item, ITEM_CHARS))}\n" for item in items]
    kept = within(lines, limit)
    if not kept:
        return ""
    more = f"- … and {len(lines) - len(kept)} more\n" if len(kept) < len(lines) else ""
    return f"\n# {title}\n{''.join(kept)}{more}"


def within(parts: Iterable[str], limit: int) -> list[str]:
    """The first parts that fit into so many characters together."""
    kept: list[str] = []
    for part in parts:
        limit -= len(part)
        if limit < 0:
            break
        kept.append(part)
    return kept


def _plain(text: str) -> str:
    # A run of backticks that nobody needs would only make its fence long.
    return _RUN.sub(f"{'`' * LONGEST_RUN}…", printable(text.replace("\r\n", "\n"), newlines=True))


def _fence(text: str, least: int) -> str:
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1)
