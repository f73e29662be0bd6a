"""`swarmctl run`."""

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.exits import Exit, Exits
from swarmctl.arguments import PlanFile
from swarmctl.ctl import Ctl
from swarmctl.plan.read import read_plan
from swarmctl.run.conductor import RunSettings, run_plan
from swarmctl.run.place import Place
from swarmctl.run.programs import installed

# The heading of what goes on to each swarm-worker.
PANEL: Final = "What goes on to each swarm-worker"
_NOT_HERE: Final = {"server": "--server", "token_file": "--token-file", "tls_ca": "--tls-ca"}


class Runner(StrEnum):
    """What runs the sessions."""

    AUTO = "auto"
    AMPLIFIER_AGENT = "amplifier-agent"
    AMPLIFIER = "amplifier"
    EMBEDDED = "embedded"
    COMMAND = "command"


def _option(text: str, metavar: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(help=text, metavar=metavar, rich_help_panel=PANEL)
    return made


def _seconds(text: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(help=text, metavar="S", min=0, rich_help_panel=PANEL)
    return made


def run(
    ctl: Ctl,
    file: PlanFile,
    *,
    workers: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="How many workers.")] = 3,
    project_root: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the work is done.", file_okay=False)
    ] = Path(),
    db: Annotated[
        Path, typer.Option(metavar="FILE", help="The database; what else must last is kept beside it.")
    ] = Path(".swarm/swarm.db"),
    dashboard: Annotated[str, typer.Option(metavar="HOST:PORT|off", help="Where to serve it.")] = "off",
    slots: Annotated[int | None, _option("Tasks at once in one worker.", "N")] = None,
    runner: Annotated[Runner | None, _option("What runs the sessions.", "RUNNER")] = None,
    builder_agent: Annotated[str | None, _option("The builder's persona.", "NAME")] = None,
    validator_agent: Annotated[str | None, _option("The validator's persona.", "NAME")] = None,
    no_validation: Annotated[
        bool, typer.Option("--no-validation", help="Let no validator judge.", rich_help_panel=PANEL)
    ] = False,
    builder_command: Annotated[str | None, _option("The builder of the command runner.", "ARGV")] = None,
    validator_command: Annotated[str | None, _option("The validator of it.", "ARGV")] = None,
    builder_timeout: Annotated[float | None, _seconds("How long a builder may run.")] = None,
    validator_timeout: Annotated[float | None, _seconds("How long a validator may run.")] = None,
    stall_timeout: Annotated[float | None, _seconds("How long a session may be silent.")] = None,
    kill_grace: Annotated[float | None, _seconds("From SIGTERM to SIGKILL.")] = None,
    label: Annotated[list[str] | None, _option("A label of the workers; repeatable.", "K=V")] = None,
) -> Exits:
    """Ends with a table of all tasks, and with 0 only if every one is completed.

    Ctrl-C lets the running tasks end; a second one kills them. The same command on the same --db goes on
    where it was."""
    _refuse(ctl, project_root)
    plan = read_plan(file)
    flags = _flags(
        slots=slots,
        runner=runner,
        builder_agent=builder_agent,
        validator_agent=validator_agent,
        no_validation=no_validation,
        builder_command=builder_command,
        validator_command=validator_command,
        builder_timeout=builder_timeout,
        validator_timeout=validator_timeout,
        stall_timeout=stall_timeout,
        kill_grace=kill_grace,
        label=label,
    )
    settings = RunSettings(
        programs=installed(),
        place=Place(db.absolute()),
        workers=workers,
        project_root=project_root,
        dashboard=dashboard,
        worker_flags=tuple(flags),
    )
    return run_plan(plan, settings, ctl.printer)


def _refuse(ctl: Ctl, project_root: Path) -> None:
    """Says what can't work, before anything is started."""
    for name, flag in _NOT_HERE.items():
        if name in ctl.options.given:
            hint = "to use a server that runs, `swarmctl import FILE` and `swarmctl watch`"
            raise Exit(Exits.USAGE, f"run starts a server of its own and takes no {flag}", hint=hint)
    if not project_root.is_dir():
        raise Exit(Exits.USAGE, f"the project root {project_root} is no folder", hint="give --project-root")
    if not os.access(project_root, os.R_OK | os.W_OK | os.X_OK):
        hint = "see who owns it, and its mode"
        raise Exit(Exits.USAGE, f"the project root {project_root} can't be read and written", hint=hint)


def _flags(**values: object) -> Iterator[str]:
    """The flags for a worker; what was not given is left to it."""
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif isinstance(value, list):
            yield from (part for item in value for part in (flag, str(item)))
        elif isinstance(value, float) and value.is_integer():
            yield from (flag, str(int(value)))
        elif value is not None and value is not False:
            yield from (flag, str(value))
