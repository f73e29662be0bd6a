"""The named statements of queries.sql, each for one row of parameters or for many. Python holds no SQL of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

_HEADER: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER: Final = re.compile(r":(\w+)")
_INSERT: Final = re.compile(r"(INSERT INTO .*\sVALUES\s+)(\(.*?\))(\s+ON CONFLICT .*)?", re.DOTALL)
_UPDATE: Final = re.compile(r"(UPDATE .*)(\s+WHERE .*)", re.DOTALL)


def load(text: str) -> Mapping[str, str]:
    """Splits the file at its `-- name: …` lines; raises ValueError on a name given twice."""
    parts = _HEADER.split(text)[1:]
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries:
            raise ValueError(f"two queries are named {name}")
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        queries[name] = "\n".join(lines).strip().removesuffix(";")
    return MappingProxyType(queries)


QUERIES: Final = load(files("swarmd.store").joinpath("queries.sql").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Statement:
    """A statement whose parameters may come as several rows, which SQLite then works through in one go."""

    query: str

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of a row, in the order in which it has them."""
        return tuple(dict.fromkeys(_PARAMETER.findall(self.query)))

    @property
    def key(self) -> int | None:
        """Where in a row that stands which names what an UPDATE changes; None if rows never meet."""
        return self.names.index("key") if _UPDATE.fullmatch(self.query) else None

    def text(self, rows: int) -> str:
        """The statement for that many rows, which follow each other in one sequence of values.

        Raises ValueError if it is neither an INSERT of one row nor an UPDATE by key.
        """
        if rows == 1:
            return self.query
        if insert := _INSERT.fullmatch(self.query):
            into, row, conflict = insert.groups(default="")
            return f"{into}{', '.join(self._numbered(row, number) for number in range(rows))}{conflict}"
        if update := _UPDATE.fullmatch(self.query):
            row = f"({', '.join(f':{name}' for name in self.names)})"
            values = ", ".join(self._numbered(row, number) for number in range(rows))
            change, where = (_PARAMETER.sub(r"given.\1", part) for part in update.groups())
            return f"WITH given ({', '.join(self.names)}) AS (VALUES {values}) {change} FROM given{where}"
        raise ValueError(f"not for several rows: {self.query}")

    def _numbered(self, row: str, number: int) -> str:
        places = {name: number * len(self.names) + place for place, name in enumerate(self.names, 1)}
        return _PARAMETER.sub(lambda match: f"?{places[match[1]]}", row)


@cache
def many(name: str, rows: int) -> str:
    """The named statement for that many rows."""
    return Statement(QUERIES[name]).text(rows)
