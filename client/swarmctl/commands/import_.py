"""`swarmctl import`."""

import sys
from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import report_lines
from amplifier_swarm.plan.source import STDIN
from swarmctl.api.paging import TaskList
from swarmctl.api.plan_upload import send_plan, with_cost_cap
from swarmctl.cli.arguments import MaxCost, OptionalPlanFile, SourceFormat
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.forecast.forecast import forecast
from swarmctl.formats.convert import plan_from
from swarmctl.render.plans import Imported, import_blocks, import_document


def run(
    ctl: CommandContext,
    file: OptionalPlanFile = "",
    *,
    from_: SourceFormat = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all tasks that exist first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse fields that are not known.")] = False,
    max_cost: MaxCost = "",
) -> None:
    """A task that exists keeps its status; with the same definition it is left alone.

    With --dry-run it also prints the forecast of `swarmctl plan`.
    """
    if not file and sys.stdin.isatty():
        raise ProgramExit(ExitCode.USAGE, "no FILE given", hint="name a task file, or - for stdin")
    plan = with_cost_cap(plan_from(file or STDIN, from_, strict=strict), max_cost)
    for line in report_lines(plan.file, plan.warnings):
        print_err(f"warning: {line}")
    sent = send_plan(ctl.stub, plan, clear=clear, dry_run=dry_run)
    for line in report_lines(plan.file, sent.warnings):
        print_err(f"warning: {line}")
    made = forecast(plan, [] if clear else TaskList(ctl.stub).first(0)) if dry_run else None
    ctl.printer.show(Imported(sent, made), import_document, import_blocks)
