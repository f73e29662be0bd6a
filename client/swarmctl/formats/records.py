"""Objects of JSON whose values know their lines."""

from collections.abc import Iterator
from dataclasses import dataclass

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.json_nodes import compose_json
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, Node, Scalar
from amplifier_swarm.plan.scalars import Kind, kind_of, number
from amplifier_swarm.plan.source import Source
from swarmctl.formats.draft import Draft


def json_root(source: Source, *, first_line: int = 1) -> Node:
    """Returns the document of a JSON text.

    Raises:
        PlanRefused: the text is not JSON, or a key is there twice.
    """
    composed = compose_json(source, first_line=first_line)
    if composed.unsupported:
        faults = [Fault(item.line, "", "", item.problem) for item in composed.unsupported]
        raise PlanRefused(source.name, faults)
    return composed.root or Mapping(Line(first_line))


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON object."""

    node: Mapping

    @property
    def line(self) -> Line:
        """The line on which it begins."""
        return self.node.line

    def get(self, name: str) -> Node | None:
        """Returns the value of a key; None if there is none, or it is null."""
        entry = self.node.entries.get(name)
        return None if entry is None or kind_of(entry.value) is Kind.NULL else entry.value

    def text(self, *names: str) -> str:
        """Returns the first of these values that is a text or a number; empty if none is."""
        values = (self.get(name) for name in names)
        return next((v.text for v in values if isinstance(v, Scalar) and v.text.strip()), "")

    def is_true(self, name: str) -> bool:
        """Returns whether the value is `true`."""
        value = self.get(name)
        return isinstance(value, Scalar) and value.plain and value.text == "true"

    def number(self, name: str) -> float | None:
        """Returns a number; None if the value is none."""
        value = self.get(name)
        if not isinstance(value, Scalar) or kind_of(value) not in (Kind.INTEGER, Kind.NUMBER):
            return None
        return number(value)

    def items(self, name: str) -> list[Node]:
        """Returns the items of a list; a single value counts as a list of one."""
        value = self.get(name)
        if isinstance(value, Listing):
            return value.items
        return [] if value is None else [value]

    def records(self, name: str) -> "list[Record]":
        """Returns the objects of a list."""
        return [Record(item) for item in self.items(name) if isinstance(item, Mapping)]

    def texts(self, name: str) -> "Iterator[Scalar]":
        """Yields the texts and numbers of a list."""
        for item in self.items(name):
            if isinstance(item, Scalar) and kind_of(item) is not Kind.NULL and item.text.strip():
                yield item

    def note_unknown(self, draft: Draft, known: frozenset[str]) -> None:
        """Notes the fields that have a value and are not in `known`."""
        for name, entry in self.node.entries.items():
            if name not in known and not _is_empty(entry.value):
                draft.note(entry.line, f'the field "{name}" is not carried')


def _is_empty(node: Node) -> bool:
    if isinstance(node, Listing):
        return not node.items
    if isinstance(node, Mapping):
        return not node.entries
    return kind_of(node) is Kind.NULL or not node.text.strip()
