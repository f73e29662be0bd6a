"""Reads the task that a session is for: what it declares, and what its rehearsal says to play."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class EmbeddedRole(Enum):
    """What the session is for."""

    BUILDER = "builder"
    VALIDATOR = "validator"


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of a script."""

    tool: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Script:
    """What one session plays: its calls in order, then its reply. An empty reply is composed."""

    calls: tuple[Call, ...]
    reply: str = ""


@dataclass(frozen=True, slots=True)
class EmbeddedTask:
    """The part of a TaskDefinition that a rehearsal looks at."""

    task_id: str
    files: tuple[str, ...] = ()
    builder: tuple[Script, ...] = ()
    validator: tuple[Script, ...] = ()

    def script(self, role: EmbeddedRole, *, attempt: int) -> Script | None:
        """The script of an attempt, from 1; the last one serves all later attempts."""
        scripts = self.builder if role is EmbeddedRole.BUILDER else self.validator
        return scripts[min(attempt, len(scripts)) - 1] if scripts else None


class BadTask(ValueError):
    """The task file is not what it must be."""


def read_task(path: Path) -> EmbeddedTask:
    """Reads the JSON of a TaskDefinition, by the field names of the proto; others are ignored."""
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadTask(f"the task file is no JSON: {error}") from error
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
        raise BadTask(f"{where} must be text")
    return value
