"""Text from sessions, files and models is hostile until it is shown harmless."""

import re

# Whatever is not plain ASCII is looked at, character by character.
_ODD = re.compile(r"[^\x20-\x7e]+")
# Control sequences with numbers for parameters: colours, cursor moves, erasing.
_DRAWING = re.compile(r"\x1b\[[0-9;]{0,40}[A-HJKSTfm]")
# Categories that draw nothing and may steer a terminal or reorder what stands beside them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, *, newlines: bool = False) -> str:
    """Escapes what a terminal would obey instead of show: control, bidi and zero-width characters.

    Tabs stay; newlines stay only where asked for, so that one value can't forge a second line.
    """
    if text.isascii() and text.isprintable():
        return text
    return _ODD.sub(lambda odd: "".join(_shown(char, newlines=newlines) for char in odd[0]), text)


def settled(text: str) -> str:
    """What a program drew with a terminal's help, as text: colours and moves are gone, the rest is visible.

    What goes is the kind of sequence that only draws; one that would do more stays, to be seen.
    """
    if text.isascii() and text.isprintable():
        return text
    drawn = _DRAWING.sub("", text)
    return printable(drawn.replace("\r\n", "\n").replace("\r", "\n"), newlines=True)


def _shown(char: str, *, newlines: bool) -> str:
    if char == "\t" or (char == "\n" and newlines):
        return char
    from unicodedata import category  # noqa: PLC0415  # 100 KiB that a worker with plain text does without

    if category(char) not in _HIDDEN:
        return char
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def one_line(text: str, limit: int) -> str:
    """The text on one harmless line of at most `limit` characters, an ellipsis for what was cut."""
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
