"""`swarmctl plan`."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import grpc
import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import report_lines
from amplifier_swarm.plan.foreign import FormatName
from amplifier_swarm.plan.read import Plan
from amplifier_swarm.plan.source import read_source
from amplifier_swarm.v1.task_pb2 import Task
from amplifier_swarm.vocabulary import RunnerName
from swarmctl.api.errors import explain
from swarmctl.api.paging import TaskList
from swarmctl.atomic_file import replacing
from swarmctl.cli.arguments import OptionalPlanFile, SourceFormat
from swarmctl.cli.context import CommandContext
from swarmctl.cli.paths import expanded_text
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
from swarmctl.text_format import plural

# Before the first run, no server answers and no token exists.
Rate = Annotated[
    float | None,
    typer.Option(metavar="DOLLARS", min=0, help="The price of an estimated hour, for want of earlier tasks."),
]
ExclusiveFiles = Annotated[
    bool, typer.Option("--exclusive-files", help="Tasks with a common file never run at once, as with `run`.")
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Show forecast and truth of completed tasks: of FILE, or all.")
]
NoServer = Annotated[
    bool, typer.Option("--no-server", help="Use the file alone, without the tasks of a server.")
]
FromSpec = Annotated[
    str,
    typer.Option(
        metavar="SPEC.md", help="Let a session write the task file --out from this text first; - is stdin.",
        callback=expanded_text,
    ),
]  # fmt: skip
Out = Annotated[
    str, typer.Option(metavar="FILE", help="The new task file, with --from-spec.", callback=expanded_text)
]
Runner = Annotated[
    RunnerName | None,
    typer.Option(help="What runs that session; all else is as SWARM_WORKER_… says.", metavar="RUNNER"),
]
_NO_SERVER: Final = (ExitCode.UNREACHABLE, ExitCode.UNAUTHENTICATED)


def run(
    ctl: CommandContext,
    file: OptionalPlanFile = "",
    *,
    from_: SourceFormat = None,
    rate: Rate = None,
    exclusive_files: ExclusiveFiles = False,
    compare: Compare = False,
    no_server: NoServer = False,
    from_spec: FromSpec = "",
    out: Out = "",
    runner: Runner = None,
) -> ExitCode:
    """Says before a run how long it takes, what it costs and what will not work. Changes nothing.

    Times and costs come from completed tasks of the server, if one answers, else from `estimated_hours`. Exits with 1
    if a dependency is unknown or a check can't start.

    With --from-spec, a session writes the task file first. Nothing is imported.
    """
    if from_spec or out or runner:
        _write_from_spec(from_spec, out, runner or "", others=bool(file or compare))
        file, no_server = out, True
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


def _write_from_spec(spec: str, out: str, runner: str, *, others: bool) -> None:
    """Writes the task file `out`, which must not exist."""
    if not (spec and out) or others:
        hint = "write `swarmctl plan --from-spec SPEC.md --out tasks.yaml`"
        raise ProgramExit(ExitCode.USAGE, "--from-spec and --out go together, without a FILE", hint=hint)
    if os.path.lexists(out):
        raise ProgramExit(ExitCode.CONFLICT, f"{out} exists", hint="name another file, or remove it")
    # Imported here: a forecast alone runs no session.
    from swarmctl.run.planner import plan_from_spec  # noqa: PLC0415

    text = read_source(spec).text
    if not text.strip():
        raise ProgramExit(ExitCode.USAGE, f"{spec} is empty", hint="write down what is to be made")
    plan, data = plan_from_spec(text.encode(), Path.cwd(), runner=runner)
    with replacing(out, mode=0o666) as target:
        target.write(data)
    print_err(
        f"swarmctl: wrote {out} with {plural(len(plan.tasks), 'task')}; nothing is imported. Read it, then: "
        f"swarmctl import {out}"
    )


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
