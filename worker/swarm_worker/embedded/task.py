"""The task of a session: its declared files and the scripts of its rehearsal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class EmbeddedRole(Enum):
    """The role of a session."""

    BUILDER = "builder"
    VALIDATOR = "validator"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of a script."""

    tool: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Script:
    """The script of one session: its calls in order, then its reply. An empty reply is composed from the calls."""

    calls: tuple[Call, ...]
    reply: str = ""


@dataclass(frozen=True, slots=True)
class EmbeddedTask:
    """The part of a TaskDefinition that a rehearsal uses."""

    task_id: str
    files: tuple[str, ...] = ()
    builder: tuple[Script, ...] = ()
    validator: tuple[Script, ...] = ()

    def script(self, role: EmbeddedRole, *, attempt: int) -> Script | None:
        """Returns the script of an attempt, counted from 1; later attempts use the last script."""
        scripts = self.builder if role is EmbeddedRole.BUILDER else self.validator
        return scripts[min(attempt, len(scripts)) - 1] if scripts else None


class BadTask(ValueError):
    """An error for a task file that is not valid."""


def read_task(path: Path) -> EmbeddedTask:
    """Reads the JSON of a TaskDefinition by the field names of the proto; other fields are ignored.

    Raises:
        BadTask: the file is not valid.
        OSError: the file can't be read.
    """
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadTask(f"the task file is not valid JSON: {error}") from error
    task = _object(document, "the task")
    rehearsal = _object(task.get("rehearsal", {}), "rehearsal")
    return EmbeddedTask(
        task_id=_text(task.get("task_id", ""), "task_id"),
        files=tuple(_text(name, "files") for name in _list(task.get("files", []), "files")),
        builder=_scripts(rehearsal, EmbeddedRole.BUILDER),
        validator=_scripts(rehearsal, EmbeddedRole.VALIDATOR),
    )


def _scripts(rehearsal: Mapping[str, Any], role: EmbeddedRole) -> tuple[Script, ...]:
    where = f"rehearsal.{role.value}"
    return tuple(_script(entry, where) for entry in _list(rehearsal.get(role.value, []), where))


def _script(value: Any, where: str) -> Script:
    script = _object(value, where)
    calls = _list(script.get("calls", []), f"{where}.calls")
    return Script(
        calls=tuple(_call(call, f"{where}.calls") for call in calls),
        reply=_text(script.get("reply", ""), f"{where}.reply"),
    )


def _call(value: Any, where: str) -> Call:
    call = _object(value, where)
    arguments = _object(call.get("arguments", {}), f"{where}.arguments")
    return Call(
        tool=_text(call.get("tool", ""), f"{where}.tool"),
        arguments={name: _text(text, f"{where}.arguments.{name}") for name, text in arguments.items()},
    )


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadTask(f"{where} must be an object")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadTask(f"{where} must be a list")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise BadTask(f"{where} must be a string")
    return value
