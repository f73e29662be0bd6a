"""`swarmctl`: reads the command line, runs the command, and turns every failure into one line and an exit
code.
"""

import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from amplifier_swarm import __version__
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.init_process import leave_init_process
from amplifier_swarm.plan.suggest import similar_choice
from amplifier_swarm.program import check_working_directory, exit_for_limit
from amplifier_swarm.standard_streams import open_closed_streams
from amplifier_swarm.text import is_utf8, one_line, printable
from swarmctl.cli.options import (
    NoColorOption,
    OutputOption,
    ServerOption,
    TlsCaOption,
    TlsCertOption,
    TlsFingerprintOption,
    TlsKeyOption,
    TokenFileOption,
    UtcOption,
    merged_options,
)
from swarmctl.cli.registry import COMMANDS, HELP, CommandGroup
from swarmctl.console import print_err
from swarmctl.render.printer import Output

PROGRAM: Final = "swarmctl"
# The exit code that a shell reports for a program that SIGINT ended.
INTERRUPTED: Final = 130
# The message about a word that a flag does not take.
_NOT_ONE_OF: Final = re.compile(r"(?P<begin>.*: )'(?P<given>[^']*)' is not one of (?P<choices>.*)")
# Typer raises errors of click, either its own copy or the real one; both have an ancestor of this name.
_COMMAND_LINE_ERROR: Final = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main() -> None:
    """Runs the console script."""
    # Hides gRPC's own log lines; gRPC reads the variable at its import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    leave_init_process()
    open_closed_streams()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:  # the interpreter would try again at its exit, and report that in its own way
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print_err(f"{PROGRAM}: can't write to stdout: {error.strerror}")
            code = code or ExitCode.NEGATIVE
    raise SystemExit(code)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns the exit code."""
    try:
        _check_text(arguments)
        code = command().main(list(arguments) or ["--help"], PROGRAM, standalone_mode=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last place before the user, who wants no traceback
        end = _exit_for(error)
        print_err(end.line(PROGRAM))
        return end.code
    return int(code or ExitCode.OK)


def command() -> Any:
    """Builds the command line as a whole."""
    app = typer.Typer(
        cls=CommandGroup,
        help="Runs a list of tasks through a swarm of Amplifier sessions, and looks after it.",
        context_settings=HELP,
    )
    app.callback()(_root)
    for registered in COMMANDS.values():
        app.command(registered.name, help=registered.summary, rich_help_panel=registered.panel)(_placeholder)
    return typer.main.get_command(app)


def _check_text(arguments: Sequence[str]) -> None:
    # Python decodes bytes that are not UTF-8 to lone surrogates, which no message can carry.
    for argument in arguments:
        if not is_utf8(argument):
            raise ProgramExit(
                ExitCode.USAGE, f"not valid UTF-8: {printable(argument)}", hint="correct the argument"
            )


def _placeholder() -> None:
    """Stands in the list of commands; CommandGroup puts the real command in its place."""


def _print_version(value: bool) -> None:  # noqa: FBT001  # Typer calls it
    if value:
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


def _root(
    context: typer.Context,
    *,
    server: ServerOption = "",
    token_file: TokenFileOption = None,
    tls_ca: TlsCaOption = None,
    tls_ca_fingerprint: TlsFingerprintOption = "",
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    output: OutputOption = Output.TABLE,
    no_color: NoColorOption = False,
    utc: UtcOption = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    context.obj = merged_options(context, context.params)


def _exit_for(error: Exception) -> ProgramExit:
    """Maps an error to an exit code and one line for the user."""
    if isinstance(error, ProgramExit):
        return error
    if isinstance(error, _COMMAND_LINE_ERROR):
        return _usage(error)
    if limit := exit_for_limit(error):
        return limit
    if isinstance(error, FileNotFoundError) and not error.filename:
        try:
            check_working_directory()
        except ProgramExit as gone:
            return gone
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return ProgramExit(ExitCode.NEGATIVE, f"{place}{error.strerror or error}")
    if os.environ.get("SWARMCTL_DEBUG"):
        raise error
    detail = f"{type(error).__name__}: {error}"
    return ProgramExit(
        ExitCode.NEGATIVE, f"a fault of this program: {detail}", hint="SWARMCTL_DEBUG=1 shows where"
    )


def _usage(error: Any) -> ProgramExit:
    """Reduces the message that Typer prints in a box to one line."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = one_line(error.format_message(), 500).replace("Value error, ", "").rstrip(".")
    if (wrong := _NOT_ONE_OF.match(message)) and (word := similar_choice(wrong["given"], wrong["choices"])):
        message = f"{wrong['begin']}'{wrong['given']}'. Did you mean '{word}'?"
    return ProgramExit(ExitCode.USAGE, message[:1].lower() + message[1:], hint=f"see {path} --help")
