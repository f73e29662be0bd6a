"""`swarmctl add`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import report_lines
from amplifier_swarm.plan.nodes import Line, Mapping, MappingEntry, Scalar
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.plan.single_task import plan_of_fields, plan_of_task
from amplifier_swarm.plan.source import read_source
from swarmctl.api.plan_upload import send_plan
from swarmctl.cli.context import CommandContext
from swarmctl.cli.definitions import (
    DefinitionFile,
    DryRun,
    Settings,
    edited,
    fields_of,
    task_of_id,
    with_settings,
)
from swarmctl.console import print_err
from swarmctl.render.tasks import changed_blocks

TEMPLATE: Final = """\
# A new task of the swarm. `swarmctl schema` lists all fields. Leave the file as it is to add nothing.
id: "{task_id}"
name:
description:
acceptance_criteria: []
files: []
checks: []
dependencies: []
"""
Texts = list[str] | None


def run(
    ctl: CommandContext,
    task: Annotated[str, typer.Argument(metavar="[TASK]", help="The id of the new task.")] = "",
    *,
    name: Annotated[str, typer.Option(metavar="TEXT", help="A line for people.")] = "",
    description: Annotated[str, typer.Option(metavar="TEXT", help="What the builder is asked to do.")] = "",
    acceptance_criteria: Annotated[
        Texts, typer.Option(metavar="TEXT", help="What must be true of the result; repeatable.")
    ] = None,
    files: Annotated[
        Texts, typer.Option(metavar="PATH", help="What it creates or changes; repeatable.")
    ] = None,
    checks: Annotated[Texts, typer.Option(metavar="COMMAND", help="What must exit 0; repeatable.")] = None,
    dependencies: Annotated[
        Texts, typer.Option(metavar="TASK", help="What it waits for; repeatable.")
    ] = None,
    settings: Settings = None,
    from_file: DefinitionFile = "",
    dry_run: DryRun = False,
) -> None:
    """Without options it opens $EDITOR. A TASK that exists is refused: `edit` changes it."""
    fields = fields_of(
        name=name,
        description=description,
        acceptance_criteria=acceptance_criteria,
        files=files,
        checks=checks,
        dependencies=dependencies,
    )
    fields = with_settings(fields, settings or ())
    if fields.entries and from_file:
        raise ProgramExit(ExitCode.USAGE, "--from-file has all fields", hint="give it alone, or leave it out")
    if fields.entries:
        _send(ctl, _plan_of_options(task, fields), dry_run=dry_run)
    elif from_file:
        _send(ctl, plan_of_task(read_source(from_file)), dry_run=dry_run)
    else:
        _add_edited(ctl, TEMPLATE.format(task_id=task), dry_run=dry_run)


def _plan_of_options(task: str, fields: Mapping) -> Plan:
    if not task:
        raise ProgramExit(ExitCode.USAGE, "no TASK given", hint="name the id of the new task")
    entries = {"id": MappingEntry(Line(0), Scalar(Line(0), task, plain=False)), **fields.entries}
    return plan_of_fields("options", Mapping(Line(0), entries))


def _add_edited(ctl: CommandContext, template: str, *, dry_run: bool) -> None:
    source = edited(template)
    if source.text == template:
        Path(source.name).unlink()
        raise ProgramExit(ExitCode.NEGATIVE, "the text is as it was", hint="nothing was added")
    try:
        _send(ctl, plan_of_task(source), dry_run=dry_run)
    except ProgramExit:
        print_err(f"swarmctl: nothing was added; correct the text: swarmctl add --from-file {source.name}")
        raise
    Path(source.name).unlink()


def _send(ctl: CommandContext, plan: Plan, *, dry_run: bool) -> None:
    task_id = plan.tasks[0].definition.task_id
    if task_of_id(ctl.stub, task_id) is not None:
        raise ProgramExit(
            ExitCode.CONFLICT, f"task {task_id} exists", hint=f"`swarmctl edit {task_id}` changes it"
        )
    sent = send_plan(ctl.stub, plan, dry_run=dry_run)
    for line in report_lines(plan.file, sent.warnings):
        print_err(f"warning: {line}")
    if dry_run:
        print_err(f"swarmctl: {task_id} has no faults; nothing was added")
        return
    found = task_of_id(ctl.stub, task_id)
    ctl.printer.show([] if found is None else [found.task], list_document, changed_blocks)
