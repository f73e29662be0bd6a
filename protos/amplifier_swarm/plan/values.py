"""Readers of single values: texts, ids, lists, numbers. A value of the wrong shape is reported, not raised."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.plan.faults import quoted
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, Node, Scalar
from amplifier_swarm.plan.scalars import Kind, boolean, described, integer, kind_of, number

# Tabs and line ends are allowed in texts; a lone surrogate can't be sent.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# An amount of dollars: no float can round it. Without an exponent, as the server takes it.
DOLLARS: Final = r"[0-9]{1,6}(\.[0-9]{1,9})?|1000000(\.0{1,9})?"

Report = Callable[[Line, str, str], None]


@dataclass(frozen=True, slots=True)
class ValueField:
    """A value to be read: its name in the file, its YAML, and the receiver of its faults."""

    name: str
    node: Node
    report: Report

    def fault(self, problem: str) -> None:
        """Reports a fault of the value."""
        self.report(self.node.line, self.name, problem)

    def under(self, name: str, node: Node) -> "ValueField":
        """Returns the field for `node`, a part of this value; `name` is its place, as `[0]` or `.key`."""
        return ValueField(f"{self.name}{name}", node, self.report)


Reader = Callable[[ValueField], str | None]


def text_of(field: ValueField) -> str | None:
    """Returns a text as written in the file, even if YAML reads another kind; None for null."""
    kind = kind_of(field.node)
    if kind is Kind.NULL:
        return None
    if not isinstance(field.node, Scalar):
        hint = '; quote the text if it holds ": "' if kind is Kind.MAPPING else ""
        field.fault(f"must be text, got {kind}{hint}")
        return None
    return _checked_text(field, field.node)


def id_of(field: ValueField) -> str | None:
    """Returns a text that YAML reads as text: an id must mean the same to every reader of the file."""
    node, kind = field.node, kind_of(field.node)
    if isinstance(node, Scalar) and kind is Kind.TEXT:
        return _checked_text(field, node)
    hint = ""
    if isinstance(node, Scalar) and kind is not Kind.NULL:
        hint = f". Quote it: {'id: ' if field.name == 'id' else ''}{quoted(node.text)}"
    field.fault(f"must be text; YAML read it as {described(node)}{hint}")
    return None


def _checked_text(field: ValueField, node: Scalar) -> str | None:
    found = _CONTROL.search(node.text)
    if found is None:
        return node.text
    field.fault(f"control character U+{ord(found[0]):04X} not allowed in {field.name}; remove it")
    return None


def texts_of(field: ValueField, what: str, read: Reader = text_of) -> list[str]:
    """Returns a list of texts; `what` names them in messages."""
    if kind_of(field.node) is Kind.NULL:
        return []
    if not isinstance(field.node, Listing):
        kind = kind_of(field.node)
        shape = "text" if kind is Kind.TEXT else described(field.node)
        field.fault(f"must be a list of {what}, got {shape}; put it in [ ]")
        return []
    found = (_entry_of(field.under(f"[{i}]", node), read) for i, node in enumerate(field.node.items))
    return [text for text in found if text is not None]


def _entry_of(field: ValueField, read: Reader) -> str | None:
    if kind_of(field.node) is Kind.NULL:
        field.fault("must be text; YAML read it as null. Write it out, or remove it")
        return None
    return read(field)


def word_of(field: ValueField, choices: Iterable[str]) -> str | None:
    """Returns one of a few words, in lower case."""
    text = text_of(field)
    if text is None or text.lower() in (known := list(choices)):
        return text and text.lower()
    field.fault(f"must be {', '.join(known[:-1])} or {known[-1]}, got {described(field.node)}")
    return None


def boolean_of(field: ValueField) -> bool | None:
    """Returns true or false; None after a fault."""
    node, kind = field.node, kind_of(field.node)
    if isinstance(node, Scalar) and kind is Kind.BOOLEAN:
        return boolean(node)
    if kind is not Kind.NULL:
        field.fault(f"must be true or false, got {described(node)}")
    return None


def integer_of(field: ValueField, what: str, *, low: int, high: int) -> int | None:
    """Returns a whole number within bounds; `what` describes it in messages."""
    node, kind = field.node, kind_of(field.node)
    if kind is Kind.NULL:
        return None
    value = integer(node) if isinstance(node, Scalar) and kind is Kind.INTEGER else None
    if value is None or not low <= value <= high:
        field.fault(f"must be {what}, got {described(node)}")
        return None
    return value


def number_of(field: ValueField, what: str) -> float | None:
    """Returns a finite number; `what` describes it in messages."""
    node, kind = field.node, kind_of(field.node)
    if kind is Kind.NULL:
        return None
    value = number(node) if isinstance(node, Scalar) and kind in (Kind.INTEGER, Kind.NUMBER) else None
    if value is None:
        field.fault(f"must be {what}, got {described(node)}")
    return value


def dollars_of(field: ValueField) -> str | None:
    """Returns an amount of dollars as it is written, which no float has rounded; None for null and after a fault."""
    kind = kind_of(field.node)
    if kind is Kind.NULL:
        return None
    text = field.node.text.strip() if isinstance(field.node, Scalar) else ""
    if not re.fullmatch(DOLLARS, text, re.ASCII):
        field.fault(
            f"must be dollars from 0 to 1000000 with up to nine decimals, such as 2.50, got {described(field.node)}"
        )
        return None
    return text


def entries_of(field: ValueField, what: str) -> list[tuple[str, ValueField]]:
    """Returns the keys and values of a mapping; `what` describes it in messages. Keys are checked like texts."""
    if kind_of(field.node) is Kind.NULL:
        return []
    if not isinstance(field.node, Mapping):
        field.fault(f"must be {what}, got {described(field.node)}")
        return []
    return [
        (key, field.under(f".{key}", entry.value))
        for key, entry in field.node.entries.items()
        if _checked_text(field, Scalar(entry.line, key, plain=False)) is not None
    ]


def items_of(field: ValueField, what: str) -> list[ValueField]:
    """Returns the items of a list; `what` describes them in messages."""
    if kind_of(field.node) is Kind.NULL:
        return []
    if not isinstance(field.node, Listing):
        field.fault(f"must be a list of {what}, got {described(field.node)}")
        return []
    return [field.under(f"[{i}]", node) for i, node in enumerate(field.node.items)]
