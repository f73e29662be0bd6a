"""YAML as values that know their lines."""

from dataclasses import dataclass, field
from typing import NewType

Line = NewType("Line", int)
# Where a value stands: keys and indexes from the top, such as ("tasks", 3, "dependencies", 0).
Path = tuple[str | int, ...]


@dataclass(slots=True)
class Scalar:
    """A text as it stands in the file; a plain one has no quotes and may mean something else to YAML."""

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
    """Keys with their values; of a key that stands there twice, the first."""

    line: Line
    entries: dict[str, MappingEntry] = field(default_factory=dict)


Node = Scalar | Listing | Mapping


def at(node: Node, path: Path) -> Node | None:
    """The value at a path, None if there is none."""
    found: Node | None = node
    for step in path:
        if isinstance(found, Mapping) and isinstance(step, str) and step in found.entries:
            found = found.entries[step].value
        elif isinstance(found, Listing) and isinstance(step, int) and step < len(found.items):
            found = found.items[step]
        else:
            return None
    return found
