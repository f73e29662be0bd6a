"""The definition of one task as text that a person edits: the editor, single fields, and what has changed."""

import difflib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import grpc
import typer

from amplifier_swarm.errors import unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, MappingEntry, Node, Scalar
from amplifier_swarm.plan.source import Source, read_source
from amplifier_swarm.plan.yaml_nodes import compose
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest, GetTaskResponse
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.paths import expanded_text

DefinitionFile = Annotated[
    str,
    typer.Option(
        "--from-file",
        metavar="FILE",
        help="The definition, in place of an editor; - is stdin.",
        callback=expanded_text,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=YAML", help="Any field, such as priority=high; repeatable."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.")]
_ABSENT = ("TASK_NOT_FOUND", "TASK_AMBIGUOUS")


def task_of_id(stub: OperatorServiceStub, task_id: str) -> GetTaskResponse | None:
    """Returns the task with exactly this id; None if there is none."""
    try:
        found = stub.GetTask(GetTaskRequest(task_id=task_id), timeout=DEADLINE_S)
    except grpc.RpcError as error:
        if unpack(error).reason in _ABSENT:
            return None
        raise
    return found if found.task.task_id == task_id else None


def edited(text: str) -> Source:
    """Lets a person edit the text in $VISUAL or $EDITOR; returns what it then is, with the file that has it.

    Raises:
        ProgramExit: there is no terminal, or the editor can't be run or fails.
    """
    if not _at_terminal():
        raise ProgramExit(
            ExitCode.USAGE, "an editor needs a terminal", hint="give --set, or --from-file FILE"
        )
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    descriptor, place = tempfile.mkstemp(prefix="swarmctl-", suffix=".yaml")
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    try:
        code = subprocess.run([*shlex.split(command), place], check=False).returncode
    except (OSError, ValueError) as error:
        Path(place).unlink()
        problem = f"the editor {command} can't be started"
        raise ProgramExit(ExitCode.USAGE, problem, hint="set EDITOR, or give --from-file FILE") from error
    if code:
        Path(place).unlink()
        raise ProgramExit(
            ExitCode.NEGATIVE, f"the editor {command} ended with {code}", hint="nothing was changed"
        )
    return read_source(place)


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def with_settings(fields: Mapping, settings: Sequence[str]) -> Mapping:
    """Returns the fields with those that `FIELD=YAML` sets; an empty value removes a field.

    Raises:
        ProgramExit: a setting has no `=`, or its value is not YAML.
    """
    entries = dict(fields.entries)
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign or not name.strip():
            raise ProgramExit(
                ExitCode.USAGE, f"{setting} sets nothing", hint="write FIELD=VALUE, such as priority=high"
            )
        entries.pop(name.strip(), None)
        if text.strip():
            value = compose(Source(f"--set {name.strip()}", text)).root
            entries[name.strip()] = MappingEntry(Line(0), value or Scalar(Line(0), "", plain=False))
    return Mapping(fields.line, entries)


def fields_of(**values: str | Sequence[str] | None) -> Mapping:
    """Returns the values that are given as fields of a task, on no line."""
    made: dict[str, MappingEntry] = {}
    for name, value in values.items():
        if value:
            made[name] = MappingEntry(Line(0), _node(value))
    return Mapping(Line(0), made)


def _node(value: str | Sequence[str]) -> Node:
    if isinstance(value, str):
        return Scalar(Line(0), value, plain=False)
    return Listing(Line(0), [Scalar(Line(0), text, plain=False) for text in value])


def changed_lines(before: str, after: str) -> Iterator[str]:
    """Yields the lines that differ, as `- old` and `+ new`, each with a line around it."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    for line in list(lines)[2:]:
        if not line.startswith("@@"):
            yield f"{line[:1]} {line[1:]}"
