"""The registry of commands, and the loading of each when it is called.

Invariant: the module of a command, with all that it needs, is imported only to run that command or to print
its help. The registry alone serves `swarmctl --help` and the completion of a command's name.
"""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from keyword import iskeyword
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from amplifier_swarm.exits import ExitCode
from swarmctl.cli.context import CommandContext
from swarmctl.cli.examples import epilog
from swarmctl.cli.options import GlobalOptions, merged_options, with_options

# What an operator orders; `swarmctl events` names who did, and why.
ORDERS: Final = frozenset((
    "import", "add", "edit", "kill", "retry", "land", "accept", "hold", "unhold", "answer", "approve", "reject",
    "budget", "note", "depend", "pause", "resume", "drain", "emergency-stop", "workers forget",
))  # fmt: skip
# The exit code that a shell reports for a program that SIGPIPE ended.
BROKEN_PIPE: Final = 141
HELP: Final = {"help_option_names": ["--help", "-h"]}


class CommandPanel(StrEnum):
    """The groups of the help page."""

    PLANS = "Plans"
    LOOK = "Look"
    CHANGE = "Change tasks"
    SWARM = "The whole swarm"
    ADMIN = "Administration"


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a noun with commands of its own."""

    name: str
    panel: CommandPanel
    summary: str

    @property
    def module(self) -> str:
        """The module with a function `run`, with a dict `COMMANDS` of such functions, or with both."""
        plain = self.name.replace("-", "_")
        return f"swarmctl.commands.{plain}{'_' if iskeyword(plain) else ''}"


COMMANDS: Final = {
    command.name: command
    for command in (
        Command(
            "run", CommandPanel.PLANS, "Run a task file to its end: server, workers and progress in one."
        ),
        Command("init", CommandPanel.PLANS, "Write a commented task file to begin with."),
        Command("validate", CommandPanel.PLANS, "Check a task file as an import does, without a server."),
        Command("schema", CommandPanel.PLANS, "Print the JSON Schema of task files."),
        Command("import", CommandPanel.PLANS, "Add the tasks of a file, or change them; all or none."),
        Command("convert", CommandPanel.PLANS, "Print the task list of another tool as a task file."),
        Command("plan", CommandPanel.PLANS, "Forecast a task file: time, cost, and what will not work."),
        Command("export", CommandPanel.PLANS, "Write all tasks as a task file."),
        Command("add", CommandPanel.PLANS, "Add one task, by options or in an editor."),
        Command("edit", CommandPanel.PLANS, "Change the definition of one task, in an editor or by options."),
        Command("status", CommandPanel.LOOK, "Show the swarm at a glance."),
        Command("list", CommandPanel.LOOK, "List tasks."),
        Command("show", CommandPanel.LOOK, "Show one task with all its attempts."),
        Command("diff", CommandPanel.LOOK, "Show what an attempt of a task did to the files."),
        Command("artifacts", CommandPanel.LOOK, "List the files that attempts of a task left for people."),
        Command("get", CommandPanel.LOOK, "Download one of these files."),
        Command("workers", CommandPanel.LOOK, "List the workers."),
        Command("blocked", CommandPanel.LOOK, "List the tasks that wait for others."),
        Command("inbox", CommandPanel.LOOK, "List what waits for a person, the most urgent first."),
        Command("explain", CommandPanel.LOOK, "Say why a task is where it is."),
        Command("watch", CommandPanel.LOOK, "Follow the swarm as it works."),
        Command("events", CommandPanel.LOOK, "List what has happened."),
        Command("logs", CommandPanel.LOOK, "Show what the sessions of a task printed and did."),
        Command(
            "dashboard", CommandPanel.LOOK, "Print a link that logs a browser in to the dashboard, once."
        ),
        Command("kill", CommandPanel.CHANGE, "End tasks for good, and wait until their processes are gone."),
        Command("retry", CommandPanel.CHANGE, "Give ended tasks a new start."),
        Command("land", CommandPanel.CHANGE, "Bring the kept work of completed tasks onto the target."),
        Command("accept", CommandPanel.CHANGE, "Let a result that came too late count after all."),
        Command("hold", CommandPanel.CHANGE, "Keep tasks from starting until `unhold`."),
        Command("unhold", CommandPanel.CHANGE, "Let held tasks start."),
        Command("answer", CommandPanel.CHANGE, "Answer the question that a task waits for."),
        Command("approve", CommandPanel.CHANGE, "Approve what tasks wait for: their start, landing or end."),
        Command("reject", CommandPanel.CHANGE, "Send a task back to its builder, and say why."),
        Command(
            "budget",
            CommandPanel.CHANGE,
            "Show what tasks and plans may cost and have cost; raise that.",
        ),
        Command("note", CommandPanel.CHANGE, "Leave a note for the next attempts of a task."),
        Command("depend", CommandPanel.CHANGE, "Make a task wait for another one."),
        Command("pause", CommandPanel.SWARM, "Hand out no more tasks; what runs goes on."),
        Command("resume", CommandPanel.SWARM, "End a pause or an emergency stop."),
        Command("drain", CommandPanel.SWARM, "Let workers finish what they run, then exit."),
        Command("emergency-stop", CommandPanel.SWARM, "Kill every session and start nothing until `resume`."),
        Command("doctor", CommandPanel.ADMIN, "Prove that work can begin, before it costs anything."),
        Command(
            "workspaces", CommandPanel.ADMIN, "List the clones of tasks on this machine, or remove old ones."
        ),
        Command("backup", CommandPanel.ADMIN, "Copy the database while the swarm runs."),
        Command("token", CommandPanel.ADMIN, "Make, list and revoke tokens."),
        Command(
            "worker-config",
            CommandPanel.ADMIN,
            "Print the settings with which a worker joins on another machine.",
        ),
        Command("mcp", CommandPanel.ADMIN, "Serve the swarm to agents by the Model Context Protocol."),
        Command("slurm", CommandPanel.ADMIN, "Start workers as a job array of Slurm."),
        Command("ping", CommandPanel.ADMIN, "Ask whether the server serves; needs no token."),
        Command("version", CommandPanel.ADMIN, "Show the versions of this program and of the server."),
    )
}


class _ShortHelp:
    """A mixin for commands: flags without a type and without their variables, which the epilog names once."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the parameters, as help pages show them."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the command
        for parameter in found:
            parameter.show_envvar = False
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
        return found


class _Leaf(_ShortHelp, TyperCommand):
    """A command of Typer with a short help page."""


class _Noun(_ShortHelp, TyperGroup):
    """A group of Typer with a short help page."""


class CommandGroup(_ShortHelp, TyperGroup):
    """A Typer group that lists placeholders, and loads the real command when it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Returns the command that the first argument names."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, load(COMMANDS[name]) if name and placeholder else None, rest


def load(command: Command) -> Any:
    """Returns the Typer command of a registered command."""
    module = import_module(command.module)
    nested = getattr(module, "COMMANDS", None)
    # Variables are named by command: a SWARMCTL_ALL that is meant for one command must not change another.
    settings = {**HELP, "auto_envvar_prefix": f"SWARMCTL_{command.name}".replace("-", "_").upper()}
    if nested is None:
        app = typer.Typer(add_completion=False, context_settings=settings)
        app.command(
            command.name,
            cls=_Leaf,
            help=command.summary + _long_help(module.run),
            epilog=epilog(command.name),
        )(with_options(module.run, call, orders=command.name in ORDERS))
        return typer.main.get_command(app)
    app = typer.Typer(
        name=command.name,
        cls=_Noun,
        help=command.summary,
        epilog=epilog(command.name),
        add_completion=False,
        context_settings=settings,
    )
    if alone := getattr(module, "run", None):
        app.callback(invoke_without_command=True)(_unless_nested(with_options(alone, call)))
    else:
        app.callback()(_no_callback)
    for name, function in nested.items():
        path = f"{command.name} {name}"
        app.command(name, cls=_Leaf, help=function.__doc__, epilog=epilog(path))(
            with_options(function, call, orders=path in ORDERS)
        )
    return typer.main.get_command(app)


def _unless_nested(command: Any) -> Any:
    """Returns a callback that runs the noun's own command, or passes the options on to the command inside it."""

    def callback(context: typer.Context, **values: Any) -> Any:
        if context.invoked_subcommand is None:
            return command(context, **values)
        context.obj = merged_options(context, values)
        return None

    callback.__signature__ = command.__signature__  # type: ignore[attr-defined]
    callback.__annotations__ = command.__annotations__
    return callback


def _long_help(function: Any) -> str:
    """Returns the help of a command beyond its summary."""
    paragraphs = (function.__doc__ or "").split("\n\n")
    return "".join(f"\n\n{' '.join(paragraph.split())}" for paragraph in paragraphs if paragraph)


def _no_callback() -> None:
    """Does nothing: a noun has no action of its own."""


def call(options: GlobalOptions, function: Any, values: dict[str, Any]) -> int:
    """Runs a command; returns its exit code."""
    try:
        with CommandContext(options) as ctl:
            code = int(function(ctl, **values) or ExitCode.OK)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # The reader is gone, as with `| head`. The rest of the buffer is discarded without an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
