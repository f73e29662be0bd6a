"""Quoting and shortening of text of any origin and size for a prompt.

Invariant: quoted text can't end its quotation.
"""

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
    """Returns the text as a block whose fence is longer than every run of backticks in the text."""
    return f"{_fence(text, LEAST_FENCE)}\n{text}\n{_fence(text, LEAST_FENCE)}"


def quoted(text: str, limit: int) -> str:
    """Returns a session's text as a block: at most `limit` characters, and invisible characters made visible."""
    return fenced(visible_start(text, limit).strip("\n"))


def visible_start(text: str, limit: int) -> str:
    """Returns the start of a text, without characters that a model would read but a person would not see."""
    return truncated(_plain(text[: limit + 1]), limit)


def visible_end(text: str, limit: int) -> str:
    """Returns the end of a text as `visible_start` returns the start; the last lines of a program say most."""
    tail = _plain(text[-limit:])
    return f"…{tail[1 - limit :]}" if len(text) > limit or len(tail) > limit else tail


def truncated(text: str, limit: int) -> str:
    """Returns the text with at most `limit` characters; an ellipsis marks the cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def with_block_closed(text: str) -> str:
    """Returns an author's text with its last block closed, so that the block can't include later quotations."""
    fence = ""
    for found in _BLOCK.finditer(text):
        marks, rest = found[1], found[2].strip()
        if not fence:
            fence = "" if "`" in rest and marks[0] == "`" else marks
        elif marks.startswith(fence) and not rest:
            fence = ""
    return f"{text}\n{fence}" if fence else text


def single_line(text: str, limit: int) -> str:
    """Returns the text on one line of printable characters, at most `limit` of them."""
    return one_line(text[: 2 * limit], limit)


def inline_code(text: str) -> str:
    """Returns the text on one line as inline code, whatever backticks it contains."""
    shortened = single_line(text, ITEM_CHARS)
    tick = _fence(shortened, 1)
    pad = " " if shortened.startswith("`") or shortened.endswith("`") else ""
    return f"{tick}{pad}{shortened}{pad}{tick}"


def titled_list(title: str, items: Iterable[str], *, limit: int = SECTION_CHARS) -> str:
    """Returns a list under a title, cut at `limit` characters with the number of missing items; empty without items."""
    lines = [f"- {with_block_closed(truncated(item, ITEM_CHARS))}\n" for item in items]
    kept = fit_within(lines, limit)
    if not kept:
        return ""
    more = f"- … and {len(lines) - len(kept)} more\n" if len(kept) < len(lines) else ""
    return f"\n# {title}\n{''.join(kept)}{more}"


def fit_within(parts: Iterable[str], limit: int) -> list[str]:
    """Returns the first parts whose total length is at most `limit` characters."""
    kept: list[str] = []
    for part in parts:
        limit -= len(part)
        if limit < 0:
            break
        kept.append(part)
    return kept


def _plain(text: str) -> str:
    # The fence of a block must be longer than this run, so an unbounded run would cost an unbounded fence.
    return _RUN.sub(f"{'`' * LONGEST_RUN}…", printable(text.replace("\r\n", "\n"), newlines=True))


def _fence(text: str, least: int) -> str:
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1)
