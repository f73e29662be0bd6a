"""Addresses as people and files with variables give them."""

import pytest

from amplifier_swarm.channel import check_address
from amplifier_swarm.exits import ProgramExit


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7433", "127.0.0.1:7433"),
        (" swarm_1.example.org.:7433\r\n", "swarm_1.example.org.:7433"),
        ("[::1]:0", "[::1]:0"),
        ("[fe80::1%eth0]:7433", "[fe80::1%eth0]:7433"),
    ],
)
def test_an_address_is_taken_without_blanks_around_it(text: str, address: str) -> None:
    assert check_address(text, name="--server") == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("localhost", "for example 127.0.0.1:7433"),
        ("a b:1", "for example 127.0.0.1:7433"),
        ("a:65536", "for example 127.0.0.1:7433"),
        ("a:١", "ASCII"),
        ("https://a:1", "leave out the scheme"),
        ("::1:7433", "brackets"),
        ("büro:7433", "xn--"),
        ("a\x1b[2J:1", "for example 127.0.0.1:7433"),
        ("", "for example 127.0.0.1:7433"),
    ],
)
def test_another_text_is_refused_with_what_to_give(text: str, hint: str) -> None:
    with pytest.raises(ProgramExit) as end:
        check_address(text, name="--server")

    assert "is not a HOST:PORT address" in end.value.message
    assert hint in end.value.hint
    assert "\x1b" not in end.value.line("swarmctl")
