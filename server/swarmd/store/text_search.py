"""Search in any language: texts are compared without case and without the difference between composed forms."""

import unicodedata
from typing import Any

import apsw


def folded(text: str) -> str:
    """Returns the form in which two texts are compared: `Über`, `ÜBER` and `U` + diaeresis + `ber` are the same."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def add_functions(connection: apsw.Connection) -> None:
    """Gives queries of this connection the function `folded`; SQLite's `lower` knows ASCII only."""

    def function(*values: Any) -> str:
        return folded(values[0])

    connection.create_scalar_function("folded", function, 1, deterministic=True)
