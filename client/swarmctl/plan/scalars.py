"""What YAML 1.1 makes of a plain text: the word `yes` is a boolean to it, 12:30 a number."""

import math
from enum import StrEnum
from typing import Final

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from swarmctl.plan.faults import quoted
from swarmctl.plan.nodes import Listing, Mapping, Node, Scalar

_PREFIX: Final = "tag:yaml.org,2002:"
# Longer numbers are told by their kind alone; Python itself refuses those of thousands of digits.
_LONGEST_NUMBER: Final = 40


class Kind(StrEnum):
    """What a value is to YAML 1.1."""

    TEXT = "text"
    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    LIST = "a list"
    MAPPING = "a mapping"


_KINDS: Final = {
    "null": Kind.NULL,
    "bool": Kind.BOOLEAN,
    "int": Kind.INTEGER,
    "float": Kind.NUMBER,
    "timestamp": Kind.DATE,
}
_RESOLVERS: Final = Resolver.yaml_implicit_resolvers


def kind_of(node: Node) -> Kind:
    """What YAML reads the value as."""
    if isinstance(node, Listing):
        return Kind.LIST
    if isinstance(node, Mapping):
        return Kind.MAPPING
    return kind_of_plain(node.text) if node.plain else Kind.TEXT


def kind_of_plain(text: str) -> Kind:
    """What YAML reads a text without quotes as."""
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return _KINDS.get(tag.removeprefix(_PREFIX), Kind.TEXT)
    return Kind.TEXT


def boolean(node: Scalar) -> bool:
    """The value of one whose kind is BOOLEAN."""
    return node.text.lower() in ("yes", "true", "on")


def integer(node: Scalar) -> int | None:
    """The value of one whose kind is INTEGER, None if no number that makes sense is that long."""
    if len(node.text) > _LONGEST_NUMBER:
        return None
    try:
        return int(SafeConstructor().construct_yaml_int(_yaml_node("int", node)))
    except ValueError:  # `0x_` passes YAML's own pattern
        return None


def number(node: Scalar) -> float | None:
    """The value of one whose kind is INTEGER or NUMBER, None if it is not finite."""
    if kind_of(node) is Kind.INTEGER:
        whole = integer(node)
        return None if whole is None else float(whole)
    try:
        value = float(SafeConstructor().construct_yaml_float(_yaml_node("float", node)))
    except ValueError:  # and so does `._`
        return None
    return value if math.isfinite(value) else None


def _yaml_node(tag: str, node: Scalar) -> yaml.ScalarNode:
    return yaml.ScalarNode(_PREFIX + tag, node.text)


def described(node: Node) -> str:
    """What YAML read, for a message: `boolean true`, `integer 83`, `text "x"`, `a list`."""
    kind = kind_of(node)
    if not isinstance(node, Scalar):
        return kind
    if kind is Kind.TEXT:
        return f"text {quoted(node.text)}"
    if kind is Kind.NULL:
        return kind
    if kind is Kind.BOOLEAN:
        return f"boolean {'true' if boolean(node) else 'false'}"
    if kind is Kind.INTEGER:
        value = integer(node)
        return f"integer {quoted(node.text) if value is None else value}"
    return f"{kind} {node.text[:_LONGEST_NUMBER]}"
