"""The named statements of queries.sql. Python never holds a SQL verb of its own."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

_HEADER: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(text: str) -> Mapping[str, str]:
    """Splits the file at its `-- name: …` lines; raises ValueError on a name given twice."""
    parts = _HEADER.split(text)[1:]
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries:
            raise ValueError(f"two queries are named {name}")
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        queries[name] = "\n".join(lines).strip()
    return MappingProxyType(queries)


QUERIES: Final = load(files("swarmd.store").joinpath("queries.sql").read_text(encoding="utf-8"))
