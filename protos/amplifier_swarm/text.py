"""Text from sessions, files and models is hostile until it is shown harmless."""

import unicodedata

# Categories that draw nothing and may steer a terminal or reorder what stands beside them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, *, newlines: bool = False) -> str:
    """Escapes what a terminal would obey instead of show: control, bidi and zero-width characters.

    Tabs stay; newlines stay only where asked for, so that one value can't forge a second line.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char, newlines=newlines) for char in text)


def _shown(char: str, *, newlines: bool) -> str:
    if char == "\t" or (char == "\n" and newlines):
        return char
    if unicodedata.category(char) not in _HIDDEN:
        return char
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def one_line(text: str, limit: int) -> str:
    """The text on one harmless line of at most `limit` characters, an ellipsis for what was cut."""
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
