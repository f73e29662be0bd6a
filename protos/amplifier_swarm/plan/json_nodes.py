"""JSON text as values with lines.

YAML 1.1 is not a superset of JSON: it knows neither surrogate pairs in escapes nor numbers such as 1e1, and its
keys are shorter.
"""

import json
import re
from decimal import Decimal
from typing import Final, NoReturn

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.node_builder import MAX_DEPTH, Composed, NodeBuilder
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, Scalar
from amplifier_swarm.plan.source import Source

_TOKEN: Final = re.compile(
    r'[ \t\n\r]*+(?:(?P<mark>[][{}:,])|(?P<text>"(?:[^"\\]++|\\.)*+")|(?P<plain>[-+.\w]++))', re.DOTALL
)
_BEGINNING: Final = re.compile(r'\s*+(\{\s*+["}]|\[\s*+["{[\]\d])')
# Larger powers of ten are beyond every field, and would take long to write out.
_LARGEST_EXPONENT: Final = 30


def is_json_like(text: str) -> bool:
    """Returns whether the text begins as JSON documents do; some flow collections of YAML begin so too."""
    return _BEGINNING.match(text) is not None


def compose_json(source: Source, *, first_line: int = 1) -> Composed:
    """Reads one JSON document, whose text begins at `first_line` of its file.

    Raises:
        PlanRefused: the text is not valid JSON, or is nested too deeply or too large.
    """
    _check(source, first_line)
    builder, line, end = NodeBuilder(source.name), first_line, 0
    while token := _TOKEN.match(source.text, end):
        start = token.start(token.lastgroup or 0)
        line += source.text.count("\n", end, start)
        _add(builder, token, Line(line))
        line += source.text.count("\n", start, token.end())
        end = token.end()
    return builder.composed()


def _check(source: Source, first_line: int) -> None:
    """Refuses what is not JSON. Keeps nothing of it: objects are dropped as soon as they are read."""
    try:
        json.loads(source.text, object_pairs_hook=lambda _pairs: None, parse_constant=_refuse_constant)
    except RecursionError as error:
        problem = f"nesting deeper than {MAX_DEPTH}; no task needs that"
        raise PlanRefused(source.name, [Fault(0, "", "", problem)]) from error
    except json.JSONDecodeError as error:
        problem = f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}, at column {error.colno}"
        raise PlanRefused(source.name, [Fault(first_line + error.lineno - 1, "", "", problem)]) from error
    except ValueError as error:  # a constant, or a number of thousands of digits
        raise PlanRefused(source.name, [Fault(0, "", "", f"not valid JSON: {error}")]) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _add(builder: NodeBuilder, token: re.Match[str], line: Line) -> None:
    match token["mark"]:
        case "{":
            builder.open(Mapping(line))
        case "[":
            builder.open(Listing(line))
        case "}" | "]":
            builder.close()
        case None:
            builder.count(line)
            quoted = token["text"]
            if quoted is None:
                builder.add(Scalar(line, _as_yaml(token["plain"]), plain=True))
            else:
                builder.add(Scalar(line, json.loads(quoted, strict=False), plain=False))


def _as_yaml(word: str) -> str:
    """Returns the number as YAML 1.1 writes it; `true`, `false` and `null` are the same in both."""
    if not word.strip("0123456789-") or word in ("true", "false", "null"):
        return word
    value = Decimal(word)
    if value.adjusted() > _LARGEST_EXPONENT:
        return word
    if value == value.to_integral_value():
        return str(int(value))
    return f"{value:f}" if value.adjusted() > -_LARGEST_EXPONENT else "0.0"
