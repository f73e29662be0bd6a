"""Tasks as a task file: equal tasks give equal bytes, and the file reads back as the same tasks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import (
    DependencyFailurePolicy,
    DisconnectPolicy,
    RehearsalScript,
    TaskDefinition,
    TaskStatus,
)
from swarmctl import text_format
from swarmctl.plan.yaml_scalars import double_quoted, yaml_key, yaml_value

VERSION: Final = 1
# A task in any other status starts again where it is imported.
KEPT_STATUSES: Final = frozenset(
    {
        TaskStatus.TASK_STATUS_COMPLETED,
        TaskStatus.TASK_STATUS_FAILED,
        TaskStatus.TASK_STATUS_KILLED,
        TaskStatus.TASK_STATUS_SKIPPED,
    }
)
_INDENT: Final = " " * 4


def plan_text(tasks: Iterable[PlannedTask]) -> Iterator[str]:
    """Yields the file in pieces."""
    yield f"version: {VERSION}\n"
    empty = True
    for task in tasks:
        if empty:
            yield "tasks:\n"
        empty = False
        # The first field follows the dash of its task.
        yield "  - " + "\n".join(_task(task)).removeprefix(_INDENT) + "\n"
    if empty:
        yield "tasks: []\n"


def _task(task: PlannedTask) -> Iterator[str]:
    """Yields the fields that are set, in the order of plan.fields.FIELDS."""
    definition = task.definition
    yield f"{_INDENT}id: {double_quoted(definition.task_id)}"
    yield from _texts_of(definition, "name", "phase", "type")
    status = task.status if task.status in KEPT_STATUSES else TaskStatus.TASK_STATUS_NOT_STARTED
    yield f"{_INDENT}status: {text_format.word(TaskStatus, status)}"
    if definition.HasField("priority"):
        yield f"{_INDENT}priority: {text_format.priority_word(definition.priority)}"
    if definition.HasField("estimated_hours"):
        yield f"{_INDENT}estimated_hours: {_number(definition.estimated_hours)}"
    yield from _texts_of(definition, "description")
    yield from _list("acceptance_criteria", definition.acceptance_criteria)
    yield from _list("files", definition.files)
    yield from _list("design_docs", definition.design_docs)
    yield from _ids("dependencies", definition.dependencies)
    yield from _extensions(definition)


def _extensions(definition: TaskDefinition) -> Iterator[str]:
    """Yields the fields that files of the predecessor do not have."""
    if definition.HasField("max_retries"):
        yield f"{_INDENT}max_retries: {definition.max_retries}"
    if policy := text_format.word(DependencyFailurePolicy, definition.on_dependency_failure):
        yield f"{_INDENT}on_dependency_failure: {policy}"
    if policy := text_format.word(DisconnectPolicy, definition.on_disconnect):
        yield f"{_INDENT}on_disconnect: {policy}"
    if definition.HasField("validate"):
        yield f"{_INDENT}validate: {'true' if definition.validate else 'false'}"
    yield from _texts_of(definition, "builder_agent", "validator_agent")
    yield from _timeouts(definition)
    if definition.labels:
        yield f"{_INDENT}labels:"
        yield from _pairs(sorted(definition.labels.items()), _INDENT + "  ")
    yield from _list("checks", definition.checks)
    yield from _rehearsal(definition)


def _timeouts(definition: TaskDefinition) -> Iterator[str]:
    for name in ("builder_timeout", "validator_timeout", "stall_timeout", "check_timeout"):
        if definition.HasField(name):
            yield f"{_INDENT}{name}: {_seconds(getattr(definition, name))}"


def _texts_of(definition: TaskDefinition, *names: str) -> Iterator[str]:
    for name in names:
        if text := getattr(definition, name):
            yield f"{_INDENT}{name}: {yaml_value(text, _INDENT + '  ')}"


def _list(name: str, texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield f"{_INDENT}{name}:"
        yield from (f"{_INDENT}  - {yaml_value(text, _INDENT + '    ')}" for text in texts)


def _ids(name: str, ids: Sequence[str]) -> Iterator[str]:
    if ids:
        yield f"{_INDENT}{name}:"
        yield from (f"{_INDENT}  - {double_quoted(task_id)}" for task_id in ids)


def _pairs(pairs: Iterable[tuple[str, str]], indent: str) -> Iterator[str]:
    for name, text in pairs:
        shown, value = yaml_key(name), yaml_value(text, indent + "  ")
        # YAML searches only 1,024 characters for the colon of a key without `?`.
        yield f"{indent}{shown}: {value}" if len(shown) < 1_000 else f"{indent}? {shown}\n{indent}: {value}"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else _fixed(f"{value!r}")


def _fixed(text: str) -> str:
    """Returns the number in a form that YAML 1.1 reads as a number: an exponent needs a dot and a sign."""
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    mantissa = mantissa if "." in mantissa else mantissa + ".0"
    return f"{mantissa}e{int(exponent):+d}"


def _seconds(duration: Duration) -> str:
    nanos = duration.ToNanoseconds()
    whole, part = divmod(abs(nanos), 10**9)
    sign = "-" if nanos < 0 else ""
    return f"{sign}{whole}.{part:09}".rstrip("0") if part else f"{sign}{whole}"


def _rehearsal(definition: TaskDefinition) -> Iterator[str]:
    rehearsal = definition.rehearsal
    if not (rehearsal.builder or rehearsal.validator):
        return
    yield f"{_INDENT}rehearsal:"
    for role, scripts in (("builder", rehearsal.builder), ("validator", rehearsal.validator)):
        if scripts:
            yield f"{_INDENT}  {role}:"
            for script in scripts:
                yield from _script(script, _INDENT + "    ")


def _script(script: RehearsalScript, indent: str) -> Iterator[str]:
    lines = list(_script_fields(script, indent + "  "))
    if not lines:
        yield f"{indent}- {{}}"
        return
    yield f"{indent}- {lines[0].lstrip(' ')}"
    yield from lines[1:]


def _script_fields(script: RehearsalScript, indent: str) -> Iterator[str]:
    if script.calls:
        yield f"{indent}calls:"
        for call in script.calls:
            arguments = sorted(call.arguments.items())
            yield f"{indent}  - {yaml_key(call.tool)}:{'' if arguments else ' {}'}"
            yield from _pairs(arguments, indent + "      ")
    if script.reply:
        yield f"{indent}reply: {yaml_value(script.reply, indent + '  ')}"
