"""`swarmctl plan`."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import grpc
import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import report_lines
from amplifier_swarm.plan.foreign import FormatName
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl.api.errors import explain
from swarmctl.api.paging import TaskList
from swarmctl.cli.arguments import OptionalPlanFile, SourceFormat
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.forecast.comparison import comparison
from swarmctl.forecast.forecast import forecast
from swarmctl.formats.convert import plan_from
from swarmctl.render.forecast import (
    comparison_blocks,
    comparison_document,
    forecast_blocks,
    forecast_document,
)

# Before the first run, no server answers and no token exists.
_NO_SERVER: Final = (ExitCode.UNREACHABLE, ExitCode.UNAUTHENTICATED)


def run(
    ctl: CommandContext,
    file: OptionalPlanFile = "",
    *,
    from_: SourceFormat = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="DOLLARS", min=0, help="The price of an estimated hour, for want of earlier tasks."
        ),
    ] = None,
    exclusive_files: Annotated[
        bool,
        typer.Option("--exclusive-files", help="Tasks with a common file never run at once, as with `run`."),
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show forecast and truth of completed tasks: of FILE, or all.")
    ] = False,
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Use the file alone, without the tasks of a server.")
    ] = False,
) -> ExitCode:
    """Says before a run how long it takes, what it costs and what will not work. Changes nothing.

    Times and costs come from completed tasks of the server, if one answers, else from `estimated_hours`. Exits with 1
    if a dependency is unknown or a check can't start.
    """
    if compare:
        return _compare(ctl, file, from_, rate=rate, no_server=no_server)
    if not file:
        raise ProgramExit(ExitCode.USAGE, "no FILE given", hint="name a task file, or - for stdin")
    with _without_collection():
        plan = _read(file, from_)
        known = [] if no_server else _known_tasks(ctl)
        made = forecast(plan, known, rate=rate, exclusive_files=exclusive_files)
    ctl.printer.show(made, forecast_document, forecast_blocks)
    return ExitCode.NEGATIVE if made.faulty else ExitCode.OK


@contextmanager
def _without_collection() -> Iterator[None]:
    """Stops the search for garbage: there is hardly any, and in ten thousand tasks it takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _compare(
    ctl: CommandContext, file: str, form: FormatName | None, *, rate: float | None, no_server: bool
) -> ExitCode:
    if no_server:
        raise ProgramExit(ExitCode.USAGE, "--compare needs a server", hint="leave --no-server out")
    only = [task.definition.task_id for task in _read(file, form).tasks] if file else None
    found = comparison(TaskList(ctl.reading_stub).first(0), only=only, rate=rate)
    ctl.printer.show(found, comparison_document, comparison_blocks)
    return ExitCode.OK


def _read(file: str, form: FormatName | None) -> Plan:
    plan = plan_from(file, form)
    for line in report_lines(plan.file, plan.warnings):
        print_err(f"warning: {line}")
    return plan


def _known_tasks(ctl: CommandContext) -> list[Task]:
    """Returns all tasks of the server; none if no server is named and none answers."""
    try:
        return TaskList(ctl.reading_stub).first(0)
    except grpc.RpcError as error:
        end = explain(error, server=ctl.server)
    except ProgramExit as error:
        end = error
    if ctl.options.server or end.code not in _NO_SERVER:
        raise end
    print_err("swarmctl: no server answers, so the forecast knows no earlier tasks")
    return []
