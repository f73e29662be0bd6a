"""The named statements of queries.sql. Invariant: Python holds no SQL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Final

_HEADER: Final = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_ROWS: Final = "{rows}"


def load(text: str) -> Mapping[str, str]:
    """Splits the file at its `-- name:` lines and puts the fragments in place.

    Raises:
        ValueError: Two statements have one name.
    """
    parts = _HEADER.split(text)[1:]
    fragments: dict[str, str] = {}
    queries: dict[str, str] = {}
    for kind, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        found = fragments if kind == "fragment" else queries
        if name in found:
            raise ValueError(f"two queries are named {name}; rename one of them")
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        found[name] = "\n".join(lines).strip().removesuffix(";")
    for fragment, columns in fragments.items():
        queries = {name: query.replace(f"{{{fragment}}}", columns) for name, query in queries.items()}
    return MappingProxyType(queries)


QUERIES: Final = load(files("swarmd.store").joinpath("queries.sql").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class BatchStatement:
    """A statement with `{rows}`, which SQLite runs once for many rows of values."""

    query: str

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of a row's values: the first list in parentheses."""
        names = self.query.partition("(")[2].partition(")")[0]
        return tuple(name.strip() for name in names.split(","))

    @cached_property
    def key(self) -> int | None:
        """The index of the value that identifies the changed row, if rows can conflict."""
        return self.columns.index("key") if "key" in self.columns else None

    def text(self, rows: int) -> str:
        """Returns the statement for that number of rows; its parameters are their values in turn."""
        row = f"({', '.join('?' * len(self.columns))})"
        return self.query.replace(_ROWS, ", ".join([row] * rows))


@cache
def batch(name: str) -> BatchStatement:
    """Returns the named statement.

    Raises:
        ValueError: The statement takes a single set of parameters.
    """
    if _ROWS not in QUERIES[name]:
        raise ValueError(f"{name} has no {_ROWS}; run it once for each set of parameters")
    return BatchStatement(QUERIES[name])


@cache
def batch_text(name: str, rows: int) -> str:
    """Returns the text of the named statement for that number of rows."""
    return batch(name).text(rows)
