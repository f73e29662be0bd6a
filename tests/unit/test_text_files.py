"""Text files in the encodings and with the line ends that editors write."""

import pytest

from amplifier_swarm.text_files import NotText, decode, without_bom


@pytest.mark.parametrize("data", [b"a\nb\n", b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb\n", b"\xef\xbb\xbfa\r\nb\r\n"])
def test_marks_and_line_ends_of_editors_do_not_matter(data: bytes) -> None:
    assert decode(data) == "a\nb\n"


def test_a_carriage_return_inside_a_line_stays() -> None:
    assert decode(b"a\rb\n") == "a\rb\n"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("tök".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("tök".encode("utf-16-be"), "is not valid UTF-8"),
        (b"t\xf6k", r"is not valid UTF-8 \(at byte 1\); save it as UTF-8"),
    ],
)
def test_other_encodings_are_refused_with_the_way_out(data: bytes, fault: str) -> None:
    with pytest.raises(NotText, match=fault):
        decode(data)


def test_bytes_of_other_formats_lose_their_mark_only() -> None:
    assert without_bom(b"\xef\xbb\xbf-----BEGIN\r\n") == b"-----BEGIN\r\n"
    assert without_bom(b"-----BEGIN\n") == b"-----BEGIN\n"
