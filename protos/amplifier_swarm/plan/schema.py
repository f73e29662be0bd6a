"""The JSON Schema of task files, made from the table of fields by which they are read.

A file is valid by it if `import --strict` takes its shape, its kinds of values and their ranges. Paths, commands,
unknown ids and cycles are beyond a schema.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from amplifier_swarm.documents import words
from amplifier_swarm.plan import fields
from amplifier_swarm.plan.limits import NAMES
from amplifier_swarm.plan.read import TOP
from amplifier_swarm.plan.values import DOLLARS
from amplifier_swarm.v1.task_pb2 import TaskStatus
from amplifier_swarm.vocabulary import HIGHEST_PRIORITY, LOWEST_PRIORITY, PRIORITIES

Schema: TypeAlias = dict[str, Any]
ID: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_WEEK_S: Final = 7 * 24 * 3600
_SCALAR: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
_TEXT: Final[Schema] = {"type": ["string", "number", "boolean"]}
_ID: Final[Schema] = {"type": "string", "pattern": ID}
_ANYTHING: Final[Schema] = {}
_SHAPES: Final[Mapping[str, Schema]] = {
    "text": _TEXT,
    "texts": {"type": "array", "items": _TEXT},
    "ids": {"type": "array", "items": _ID},
    "flag": {"type": "boolean"},
}
_LIMITS: Final[Mapping[str, int]] = {
    "name": 500,
    "phase": 128,
    "type": 128,
    "builder_agent": 256,
    "validator_agent": 256,
}
_HINTS: Final[Mapping[str, str]] = {
    "id": "Letters, digits, . _ -, unique in the swarm.",
    "priority": "Ready tasks with a higher priority start first.",
    "estimated_hours": "How long a person would need.",
    "description": "What the builder is asked to do.",
    "acceptance_criteria": "What must be true of the result, one condition an entry.",
    "files": "The files that the task creates or changes: relative paths.",
    "design_docs": "The documents that the builder reads first: relative paths.",
    "dependencies": "The ids of the tasks that must be completed before this one starts.",
    "checks": "Shell commands that must exit 0 after the builder.",
    "max_retries": "How many attempts may follow a failed first one.",
    "max_cost": "The most that all sessions of the task may cost together, in US dollars.",
    "max_tokens": "The most tokens, in and out, that all sessions of the task may use together.",
    "follow_ups": "What becomes of tasks that sessions of this task file.",
    "discovered_from": "The task from whose work this one was discovered.",
    "exclusive": "Names of things that only one task at a time may use.",
}


def task_file_schema() -> Schema:
    """Returns the schema of a whole file."""
    task = {name: _property(name) for name in fields.FIELDS}
    shared = {name: schema for name, schema in task.items() if name != "id"}
    top: dict[str, Schema] = dict.fromkeys(TOP, _ANYTHING)
    top |= {name: task[name] for name in fields.FIELDS_OF_TOP}
    top["tasks"] = {
        "type": "array",
        "items": _mapping(task, required=("id",)),
        "description": "The tasks of the plan.",
    }
    top["defaults"] = _or_null(_mapping(shared))
    number = {"type": "integer", "minimum": 1, "maximum": 1024}
    top["concurrency"] = _or_null({"type": "object", "additionalProperties": number})
    amounts = {name: task[name] for name in ("max_cost", "max_tokens")}
    top["budget"] = {
        "anyOf": [task["max_cost"], _mapping({**amounts, "name": _ID})],
        "description": "What all tasks of the file may cost together.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A task file of Amplifier Swarm",
        **_mapping(top, required=("tasks",)),
    }


def _mapping(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    made: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return made | ({"required": list(required)} if required else {})


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _property(name: str) -> Schema:
    made = _ID if name == "id" else _or_null(_value(name))
    return made | ({"description": _HINTS[name]} if name in _HINTS else {})


def _value(name: str) -> Schema:
    """Returns the schema of a value that is not null; of one whose reader it does not know, that of anything."""
    if name in fields.CHOICES:
        return _words(words.words_of(fields.CHOICES[name]))
    if name in _OWN:
        return _OWN[name]
    shape = _SHAPES.get(fields.SHAPES.get(fields.FIELDS[name], ""), _ANYTHING)
    return shape | ({"maxLength": _LIMITS[name]} if name in _LIMITS else {})


def _words(words: Iterable[str]) -> Schema:
    """Returns the schema of one of the words, in any case; the plain enum is for editors, which complete by it."""
    known = list(words)
    pattern = "|".join(
        "".join(f"[{c.upper()}{c}]" if c.isalpha() else re.escape(c) for c in word) for word in known
    )
    return {"anyOf": [{"enum": known}, {"type": "string", "pattern": f"^(?:{pattern})$"}]}


def _numbers(kind: str, low: float, high: float) -> Schema:
    return {"type": kind, "minimum": low, "maximum": high}


_OWN: Final[Mapping[str, Schema]] = {
    "status": _words(words.words_of(TaskStatus)),
    "priority": {"anyOf": [_words(PRIORITIES), _numbers("integer", LOWEST_PRIORITY, HIGHEST_PRIORITY)]},
    "estimated_hours": _numbers("number", 0, 100_000),
    "max_retries": _numbers("integer", 0, 100),
    "acceptance_criteria": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    "stall_timeout": _numbers("number", 0, _WEEK_S),
    "ask_timeout": _numbers("number", 0, _WEEK_S),
    **{f"{name}_timeout": _numbers("number", 1, _WEEK_S) for name in ("builder", "validator", "check")},
    "max_cost": {
        "anyOf": [_numbers("number", 0, 1_000_000), {"type": "string", "pattern": f"^({DOLLARS})$"}]
    },
    "max_tokens": _numbers("integer", 0, 10**12),
    "discovered_from": _ID,
    "labels": {"type": "object", "additionalProperties": _SCALAR},
    "limits": {
        "type": "object",
        "properties": dict.fromkeys(NAMES, _ANYTHING),
        "additionalProperties": False,
    },
}
