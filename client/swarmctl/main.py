"""`swarmctl`: reads the command line, runs the verb, and turns every failure into one line and a code."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from amplifier_swarm import __version__
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line, printable
from swarmctl.cli.options import (
    DEFAULT_SERVER,
    NoColorOption,
    OutputOption,
    ServerOption,
    TlsCaOption,
    TokenFileOption,
    merge,
)
from swarmctl.cli.registry import COMMANDS, HELP, VerbGroup
from swarmctl.console import say
from swarmctl.render.printer import Output

PROGRAM: Final = "swarmctl"
# What a shell reports of a program that SIGINT ended.
INTERRUPTED: Final = 130
# Typer's errors come from click, its own copy or the real one; both have this ancestor by that name.
_COMMAND_LINE_ERROR: Final = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main() -> None:
    """The console script."""
    # grpc's own log lines are no talk for people; it reads the variable when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    raise SystemExit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; the exit code."""
    try:
        _check_text(arguments)
        code = command().main(list(arguments), PROGRAM, standalone_mode=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last place before the user, who wants no traceback
        end = _end_of(error)
        say(end.line(PROGRAM))
        return end.code
    return int(code or ExitCode.OK)


def command() -> Any:
    """The command line as a whole."""
    app = typer.Typer(
        cls=VerbGroup,
        help="Runs a list of tasks through a swarm of Amplifier sessions, and looks after it.",
        context_settings=HELP,
    )
    app.callback()(_root)
    for verb in COMMANDS.values():
        app.command(verb.name, help=verb.summary, rich_help_panel=verb.panel)(_stand_in)
    return typer.main.get_command(app)


def _check_text(arguments: Sequence[str]) -> None:
    # Bytes that are no UTF-8 come as halves of surrogate pairs, which no message can carry.
    for argument in arguments:
        if not argument.isascii() and any("\ud800" <= char <= "\udfff" for char in argument):
            raise ProgramExit(
                ExitCode.USAGE, f"not valid UTF-8: {printable(argument)}", hint="correct the argument"
            )


def _stand_in() -> None:
    """Stands in the list; verbs.VerbGroup puts the real one in its place."""


def _print_version(value: bool) -> None:  # noqa: FBT001  # Typer calls it
    if value:
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


def _root(
    context: typer.Context,
    *,
    server: ServerOption = DEFAULT_SERVER,
    token_file: TokenFileOption = None,
    tls_ca: TlsCaOption = None,
    output: OutputOption = Output.TABLE,
    no_color: NoColorOption = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    context.obj = merge(context, context.params)


def _end_of(error: Exception) -> ProgramExit:
    """What an error means to the user."""
    if isinstance(error, ProgramExit):
        return error
    if isinstance(error, _COMMAND_LINE_ERROR):
        return _usage(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return ProgramExit(ExitCode.NEGATIVE, f"{place}{error.strerror or error}")
    if os.environ.get("SWARMCTL_DEBUG"):
        raise error
    told = f"{type(error).__name__}: {error}"
    return ProgramExit(
        ExitCode.NEGATIVE, f"a fault of this program: {told}", hint="SWARMCTL_DEBUG=1 shows where"
    )


def _usage(error: Any) -> ProgramExit:
    """One line for what Typer says in a box."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = one_line(error.format_message(), 500).replace("Value error, ", "").rstrip(".")
    return ProgramExit(ExitCode.USAGE, message[:1].lower() + message[1:], hint=f"see {path} --help")
