"""Tasks as a task file: equal tasks give equal bytes, and the file reads back as the same tasks."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from amplifier_swarm.plan.task_document import VERSION, Id, Value, task_document
from amplifier_swarm.plan.yaml_scalars import double_quoted, yaml_key, yaml_value
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask

_INDENT: Final = " " * 4
NO_NUMBERS: Final[Mapping[str, int]] = MappingProxyType({})
# YAML searches only 1,024 characters for the colon of a key without `?`.
_LONGEST_KEY: Final = 1_000


def plan_text(tasks: Iterable[PlannedTask], concurrency: Mapping[str, int] = NO_NUMBERS) -> Iterator[str]:
    """Yields the YAML file in pieces; `concurrency` is how many tasks may share each exclusive name."""
    yield f"version: {VERSION}\n"
    if concurrency:
        yield "concurrency:\n" + "".join(
            f"  {double_quoted(name)}: {capacity}\n" for name, capacity in sorted(concurrency.items())
        )
    empty = True
    for task in tasks:
        if empty:
            yield "tasks:\n"
        empty = False
        # The first field follows the dash of its task.
        lines = _mapping(task_document(task), _INDENT)
        yield "  - " + "\n".join(lines).removeprefix(_INDENT) + "\n"
    if empty:
        yield "tasks: []\n"


def task_text(task: PlannedTask) -> str:
    """Returns the definition of one task as the fields of a task file, without its status."""
    fields = {name: value for name, value in task_document(task).items() if name != "status"}
    return "".join(f"{line}\n" for line in _mapping(fields, ""))


def plan_document(
    tasks: Iterable[PlannedTask], concurrency: Mapping[str, int] = NO_NUMBERS
) -> Mapping[str, Value]:
    """Returns the content of the JSON file."""
    return {
        "version": VERSION,
        **({"concurrency": dict(sorted(concurrency.items()))} if concurrency else {}),
        "tasks": [_json_value(task_document(task)) for task in tasks],
    }


def _json_value(value: Value) -> Value:
    if isinstance(value, Mapping):
        return {name: _json_value(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_json_value(one) for one in value]
    if isinstance(value, (Decimal, float)):
        return int(value) if value == int(value) else float(value)
    return value


def _mapping(values: Mapping[str, Value], indent: str) -> Iterator[str]:
    for name, value in values.items():
        key = yaml_key(name)
        if isinstance(value, Mapping):
            yield f"{indent}{key}:" + ("" if value else " {}")
            yield from _mapping(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{key}:"
            yield from _list(value, indent + "  ")
        elif len(key) < _LONGEST_KEY:
            yield f"{indent}{key}: {_scalar(value, indent + '  ')}"
        else:
            yield f"{indent}? {key}\n{indent}: {_scalar(value, indent + '  ')}"


def _list(values: list[Value], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping):
            lines = list(_mapping(value, indent + "  "))
            yield f"{indent}- {lines[0].lstrip(' ') if lines else '{}'}"
            yield from lines[1:]
        else:
            yield f"{indent}- {_scalar(value, indent + '  ')}"


def _scalar(value: Value, indent: str) -> str:
    """Returns the value as YAML; further lines of a text begin with `indent`."""
    match value:
        case Id():
            return double_quoted(value)
        case str():
            return yaml_value(value, indent)
        case bool():
            return "true" if value else "false"
        case float():
            return _number(value)
        case Decimal():
            text = f"{value:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        case _:
            return str(value)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else _fixed(f"{value!r}")


def _fixed(text: str) -> str:
    """Returns the number in a form that YAML 1.1 reads as a number: an exponent needs a dot and a sign."""
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    mantissa = mantissa if "." in mantissa else mantissa + ".0"
    return f"{mantissa}e{int(exponent):+d}"
