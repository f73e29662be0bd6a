"""The `rehearsal` of a task: the script that its sessions play without a model."""

from amplifier_swarm.plan.faults import quoted
from amplifier_swarm.plan.scalars import described
from amplifier_swarm.plan.values import ValueField, entries_of, items_of, text_of
from amplifier_swarm.v1.task_pb2 import Rehearsal, RehearsalCall, RehearsalScript

SHAPE = "a mapping with builder and validator"


def rehearsal_of(field: ValueField) -> Rehearsal | None:
    """Returns the scripts of both roles; None if there are none."""
    made = Rehearsal()
    for key, entry in entries_of(field, SHAPE):
        if key in ("builder", "validator"):
            scripts = [_script(item) for item in items_of(entry, "scripts, one an attempt")]
            getattr(made, key).extend(scripts)
        else:
            entry.fault(f"unknown field {quoted(key)}; a rehearsal has builder and validator")
    return made if made.builder or made.validator else None


def _script(field: ValueField) -> RehearsalScript:
    made = RehearsalScript()
    for key, entry in entries_of(field, "a mapping with calls and reply"):
        if key == "calls":
            made.calls.extend(_call(item) for item in items_of(entry, "tool calls"))
        elif key == "reply":
            made.reply = text_of(entry) or ""
        else:
            entry.fault(f"unknown field {quoted(key)}; a script has calls and reply")
    return made


def _call(field: ValueField) -> RehearsalCall:
    entries = entries_of(field, "TOOL: {argument: text}")
    if len(entries) != 1:
        if entries:
            field.fault(f"must be one TOOL: {{argument: text}}, got {len(entries)} keys; begin each with -")
        return RehearsalCall()
    tool, arguments = entries[0]
    made = RehearsalCall(tool=tool)
    for name, argument in entries_of(arguments, "{argument: text}"):
        text = text_of(argument)
        if text is None:
            _report_missing(argument)
        else:
            made.arguments[name] = text
    return made


def _report_missing(argument: ValueField) -> None:
    if described(argument.node) == "null":
        argument.fault('must be text, got nothing; write "" for an empty one')
