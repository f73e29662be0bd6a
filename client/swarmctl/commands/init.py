"""`swarmctl init`."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.schema import task_file_schema
from swarmctl.cli.context import CommandContext
from swarmctl.cli.paths import expanded_text
from swarmctl.render.printer import json_text, write_exact

SCHEMA: Final = "tasks.schema.json"
STARTER: Final = """\
# yaml-language-server: $schema={schema}
# A plan for Amplifier Swarm. Check it:    swarmctl validate {file}
# What it takes and costs:                 swarmctl plan {file}
# Rehearse it without a model:             swarmctl run {file} --runner embedded
# Run it:                                  swarmctl run {file}

defaults:
  max_retries: 2             # attempts after the first

tasks:
  - id: greeting             # letters, digits, . _ - ; quote what looks like a number
    name: Write a greeting
    phase: writing           # free text; `type` likewise: the forecast learns from tasks of the same kind
    type: text
    estimated_hours: 0.5     # how long a person would need
    description: Put a friendly greeting for new members into hello.txt.
    acceptance_criteria:     # the validator looks at each of them
      - hello.txt has one to three lines
    files: [hello.txt]       # what the task creates or changes
    checks: ["test -s hello.txt"]   # shell; each must exit 0

  - id: answer
    name: Answer it
    phase: writing
    type: text
    estimated_hours: 0.5
    description: Read hello.txt and answer it in answer.txt.
    files: [answer.txt]
    dependencies: [greeting] # starts when all of them are completed
"""


def run(
    _ctl: CommandContext,
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="The new task file.", callback=expanded_text)
    ] = "tasks.yaml",
) -> None:
    """Writes FILE with two small tasks to replace, and beside it the schema by which editors check it. Never replaces
    a task file; an older schema is kept too.
    """
    target = Path(file)
    schema = target.with_name(SCHEMA)
    if not _write_new(target, STARTER.format(file=target.name, schema=SCHEMA)):
        raise ProgramExit(ExitCode.CONFLICT, f"{file} exists", hint="name another FILE, or remove it")
    made = _write_new(schema, json_text(task_file_schema(), indent=2) + "\n")
    written = f"{file} and {schema}" if made else file
    write_exact(f"wrote {written}; next: swarmctl validate {file}\n")


def _write_new(path: Path, text: str) -> bool:
    """Writes the file; returns False if something of that name exists, also a link to nothing."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    return True
