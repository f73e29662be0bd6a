"""The verbs of the command line: the one list of them, and how each is loaded when it is asked for.

The rule: a verb's module, with all that it needs, is imported only when that verb is run or asked for
help. The list alone is enough for `swarmctl --help` and for completing a verb's name.
"""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from keyword import iskeyword
from typing import Any, Final

import typer
from typer.core import TyperGroup

from amplifier_swarm.exits import Exits
from swarmctl.cli.context import Ctl
from swarmctl.cli.options import Options, with_options

# What a shell reports of a program that SIGPIPE ended.
BROKEN_PIPE: Final = 141
HELP: Final = {"help_option_names": ["--help", "-h"]}


class Panel(StrEnum):
    """The groups of the help page."""

    PLANS = "Plans"
    LOOK = "Look"
    CHANGE = "Change tasks"
    SWARM = "The whole swarm"
    CARE = "Care"


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb, or a noun with verbs of its own."""

    name: str
    panel: Panel
    summary: str

    @property
    def module(self) -> str:
        """Where it is written: a function `run`, or a dict `VERBS` of such functions."""
        plain = self.name.replace("-", "_")
        return f"swarmctl.commands.{plain}{'_' if iskeyword(plain) else ''}"


VERBS: Final = {
    verb.name: verb
    for verb in (
        Verb("run", Panel.PLANS, "Run a task file to its end: server, workers and progress in one."),
        Verb("import", Panel.PLANS, "Add the tasks of a file, or change them; all or none."),
        Verb("export", Panel.PLANS, "Write all tasks as a task file."),
        Verb("status", Panel.LOOK, "Show the swarm at a glance."),
        Verb("list", Panel.LOOK, "List tasks."),
        Verb("show", Panel.LOOK, "Show one task with all its attempts."),
        Verb("workers", Panel.LOOK, "List the workers."),
        Verb("blocked", Panel.LOOK, "List the tasks that wait for others."),
        Verb("explain", Panel.LOOK, "Say why a task is where it is."),
        Verb("watch", Panel.LOOK, "Follow the swarm as it works."),
        Verb("events", Panel.LOOK, "List what has happened."),
        Verb("logs", Panel.LOOK, "Show what the sessions of a task printed and did."),
        Verb("dashboard", Panel.LOOK, "Print a link that logs a browser in to the dashboard, once."),
        Verb("kill", Panel.CHANGE, "End tasks for good, and wait until their processes are gone."),
        Verb("retry", Panel.CHANGE, "Give ended tasks a new start."),
        Verb("accept", Panel.CHANGE, "Let a result that came too late count after all."),
        Verb("depend", Panel.CHANGE, "Make a task wait for another one."),
        Verb("pause", Panel.SWARM, "Hand out no more tasks; what runs goes on."),
        Verb("resume", Panel.SWARM, "End a pause or an emergency stop."),
        Verb("drain", Panel.SWARM, "Let workers finish what they run, then exit."),
        Verb("emergency-stop", Panel.SWARM, "Kill every session and start nothing until `resume`."),
        Verb("doctor", Panel.CARE, "Prove that work can begin, before it costs anything."),
        Verb("backup", Panel.CARE, "Copy the database while the swarm runs."),
        Verb("token", Panel.CARE, "Make, list and revoke tokens."),
        Verb("version", Panel.CARE, "Show the versions of this program and of the server."),
    )
}


class VerbGroup(TyperGroup):
    """Lists stand-ins, and puts the real verb in the place of the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The verb that the first argument names."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, load(VERBS[name]) if name and stand_in else None, rest


def load(verb: Verb) -> Any:
    """The real command of a verb."""
    module = import_module(verb.module)
    nested = getattr(module, "VERBS", None)
    # By verb: a SWARMCTL_ALL that drains where it was meant to list would be a trap.
    settings = {**HELP, "auto_envvar_prefix": f"SWARMCTL_{verb.name}".replace("-", "_").upper()}
    if nested is None:
        app = typer.Typer(add_completion=False, context_settings=settings)
        app.command(verb.name, help=verb.summary + _rest_of(module.run))(with_options(module.run, call))
        return typer.main.get_command(app)
    app = typer.Typer(name=verb.name, help=verb.summary, add_completion=False, context_settings=settings)
    app.callback()(_nothing)
    for name, function in nested.items():
        app.command(name, help=function.__doc__)(with_options(function, call))
    return typer.main.get_command(app)


def _rest_of(function: Any) -> str:
    """What the help of a verb says beyond its one line."""
    paragraphs = (function.__doc__ or "").split("\n\n")
    return "".join(f"\n\n{' '.join(paragraph.split())}" for paragraph in paragraphs if paragraph)


def _nothing() -> None:
    """A noun does nothing by itself."""


def call(options: Options, function: Any, values: dict[str, Any]) -> int:
    """Runs a verb; the exit code is its answer."""
    try:
        with Ctl(options) as ctl:
            code = int(function(ctl, **values) or Exits.OK)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # Whoever read has gone, which is its right. What is left in the buffer goes nowhere, quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
