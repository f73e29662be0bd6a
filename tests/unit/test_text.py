"""Text of sessions: harmless for terminals, and still readable."""

import pytest

from amplifier_swarm.text import printable, strip_terminal_drawing


@pytest.mark.parametrize(
    ("drawn", "text"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m \x1b[2K\x1b[1Aup", "red up"),
        ("10%\r50%\r100%\r\n", "10%\n50%\n100%\n"),
        ("\x1b]0;title\x07\x1b]8;;https://x\x1b\\", "\\x1b]0;title\\x07\\x1b]8;;https://x\\x1b\\"),
        ("\x1bc\x1b[?1049h\x1b[6n", "\\x1bc\\x1b[?1049h\\x1b[6n"),
        ("\x1b\x1b[m[2J", "\\x1b[2J"),
        ("a\u202eb\u200b", "a\\u202eb\\u200b"),
        ("déjà vu 日本\tx\n", "déjà vu 日本\tx\n"),
    ],
)
def test_drawing_sequences_are_removed_and_others_are_escaped(drawn: str, text: str) -> None:
    assert strip_terminal_drawing(drawn) == text
    assert strip_terminal_drawing(text) == text


def test_one_value_forges_no_second_line() -> None:
    assert printable("a\nb\r\nc") == "a\\x0ab\\x0d\\x0ac"
    assert printable("a\nb", newlines=True) == "a\nb"
