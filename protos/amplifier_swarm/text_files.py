"""Text files that people and other programs write: UTF-8, with or without a byte order mark, with any line ends.

Invariant: every text file that a program of the swarm is given is decoded here.
"""

from pathlib import Path
from typing import Final

BOM: Final = b"\xef\xbb\xbf"
_OTHER_ENCODINGS: Final = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


class NotText(ValueError):
    """The bytes are not UTF-8; the message completes a sentence that begins with the name of the file."""


def decode(data: bytes) -> str:
    """Returns the text without its byte order mark, its lines ended by newlines alone.

    Raises:
        NotText: The bytes are not UTF-8.
    """
    for mark, encoding in _OTHER_ENCODINGS:
        if data.startswith(mark):
            raise NotText(f"is {encoding}; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotText(f"is not valid UTF-8 (at byte {error.start}); save it as UTF-8") from error
    return text.replace("\r\n", "\n")


def read(path: Path) -> str:
    """Returns the text of a file; raises NotText as `decode`, and OSError."""
    return decode(path.read_bytes())


def without_bom(data: bytes) -> bytes:
    """Returns the bytes without a byte order mark, for formats such as PEM whose parsers refuse it."""
    return data.removeprefix(BOM)
