"""YAML values that know their lines."""

from dataclasses import dataclass, field
from typing import NewType

Line = NewType("Line", int)
# The place of a value: keys and indexes from the top, such as ("tasks", 3, "dependencies", 0).
Path = tuple[str | int, ...]


@dataclass(slots=True)
class Scalar:
    """A text as written in the file; YAML may read a plain one, without quotes, as another kind."""

    line: Line
    text: str
    plain: bool


@dataclass(slots=True)
class Listing:
    """A list."""

    line: Line
    items: "list[Node]" = field(default_factory=list)


@dataclass(slots=True)
class MappingEntry:
    """A value of a mapping, with the line of its key."""

    line: Line
    value: "Node"


@dataclass(slots=True)
class Mapping:
    """Keys with their values; of duplicate keys, the first."""

    line: Line
    entries: dict[str, MappingEntry] = field(default_factory=dict)


Node = Scalar | Listing | Mapping


def value_at(node: Node, path: Path) -> Node | None:
    """Returns the value at a path; None if there is none."""
    found: Node | None = node
    for step in path:
        if isinstance(found, Mapping) and isinstance(step, str) and step in found.entries:
            found = found.entries[step].value
        elif isinstance(found, Listing) and isinstance(step, int) and step < len(found.items):
            found = found.items[step]
        else:
            return None
    return found
