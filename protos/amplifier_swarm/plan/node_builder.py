"""A builder of values with lines, fed with the parts of a document in the order of its text.

Invariant: nothing is built twice, and nothing recurses, so that no file can grow beyond its size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from amplifier_swarm.plan.faults import Fault, PlanRefused, quoted
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, MappingEntry, Node, Path, Scalar

MAX_DEPTH: Final = 20
# Ten thousand full tasks have half a million; a value takes a few hundred bytes of memory.
MAX_VALUES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class UnsupportedYaml:
    """A part of a document that plans may not use, and its place."""

    line: Line
    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A document; its root is None if the text is empty."""

    root: Node | None
    unsupported: list[UnsupportedYaml]


class NodeBuilder:
    """Puts values together. The stack holds the open lists and mappings, the outermost first."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.unsupported: list[UnsupportedYaml] = []
        self._file = file
        self._stack: list[Listing | Mapping] = []
        # For each open mapping the key that has no value yet; None where a key comes next.
        self._keys: list[Scalar | None] = []
        self._values = 0

    def composed(self) -> Composed:
        """Returns the document."""
        return Composed(self.root, self.unsupported)

    def open(self, node: Listing | Mapping) -> None:
        """Begins a list or a mapping."""
        self.count(node.line)
        if len(self._stack) == MAX_DEPTH:
            self.refuse(node.line, f"nesting deeper than {MAX_DEPTH}; no task needs that")
        self._stack.append(node)
        self._keys.append(None)

    def close(self) -> None:
        """Ends the innermost list or mapping."""
        self._keys.pop()
        self.add(self._stack.pop())

    def count(self, line: Line) -> None:
        """Counts a value; refuses the document if it has too many."""
        self._values += 1
        if self._values > MAX_VALUES:
            self.refuse(line, f"more than {MAX_VALUES:,} values; split the plan")

    def add(self, node: Node) -> None:
        """Adds a value or a key, whichever comes next."""
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if isinstance(parent, Listing):
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = self._key(node, parent)
            return
        parent.entries.setdefault(key.text, MappingEntry(key.line, node))
        self._keys[-1] = None

    def _key(self, node: Node, parent: Mapping) -> Scalar:
        if not isinstance(node, Scalar):
            self.report(node.line, "a key must be text; quote it")
            return Scalar(node.line, "", plain=False)
        if first := parent.entries.get(node.text):
            problem = f"duplicate key {quoted(node.text)} (first at line {first.line}); keep one"
            self.unsupported.append(UnsupportedYaml(node.line, (*self._path(), node.text), problem))
        return node

    @property
    def expects_key(self) -> bool:
        """True where the next value is a key."""
        return bool(self._stack) and isinstance(self._stack[-1], Mapping) and self._keys[-1] is None

    def report(self, line: Line, problem: str) -> None:
        """Reports a part that plans may not use, at the present place."""
        self.unsupported.append(UnsupportedYaml(line, tuple(self._path()), problem))

    def refuse(self, line: Line, problem: str) -> NoReturn:
        """Raises PlanRefused: the document can't be read any further."""
        raise PlanRefused(self._file, [Fault(line, "", "", problem)])

    def _path(self) -> Iterator[str | int]:
        for node, key in zip(self._stack, self._keys, strict=True):
            if isinstance(node, Listing):
                yield len(node.items)
            elif key is not None:
                yield key.text
