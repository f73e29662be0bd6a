"""Plain texts as YAML 1.1 reads them: `yes` is a boolean, 12:30 is a number."""

import math
from enum import StrEnum
from typing import Final

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from amplifier_swarm.plan.faults import quoted
from amplifier_swarm.plan.nodes import Listing, Mapping, Node, Scalar

_PREFIX: Final = "tag:yaml.org,2002:"
# Messages quote longer numbers; Python itself refuses numbers of thousands of digits.
_LONGEST_NUMBER: Final = 40


class Kind(StrEnum):
    """The kinds of values in YAML 1.1."""

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
    """Returns the kind as which YAML reads the value."""
    if isinstance(node, Listing):
        return Kind.LIST
    if isinstance(node, Mapping):
        return Kind.MAPPING
    return kind_of_plain(node.text) if node.plain else Kind.TEXT


def kind_of_plain(text: str) -> Kind:
    """Returns the kind as which YAML reads a text without quotes."""
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return _KINDS.get(tag.removeprefix(_PREFIX), Kind.TEXT)
    return Kind.TEXT


def boolean(node: Scalar) -> bool:
    """Returns the value of a node of the kind BOOLEAN."""
    return node.text.lower() in ("yes", "true", "on")


def integer(node: Scalar) -> int | None:
    """Returns the value of a node of the kind INTEGER; None if the number is absurdly long."""
    if len(node.text) > _LONGEST_NUMBER:
        return None
    try:
        return int(SafeConstructor().construct_yaml_int(_yaml_node("int", node)))
    except ValueError:  # `0x_` passes YAML's own pattern
        return None


def number(node: Scalar) -> float | None:
    """Returns the value of a node of the kind INTEGER or NUMBER; None if it is not finite."""
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
    """Returns the value as YAML reads it, for a message: `boolean true`, `integer 83`, `text "x"`, `a
    list`.
    """
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
