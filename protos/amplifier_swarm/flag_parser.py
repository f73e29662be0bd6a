"""Command lines of the daemons that are not plain: help, version, wrong flags, values that look like flags."""

import argparse
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import fixed_width_formatter
from amplifier_swarm.standard_streams import print_line


def parse_flags(
    argv: Sequence[str],
    flags: Iterable[tuple[dataclasses.Field[Any], str]],
    *,
    program: str,
    summary: str,
    version: str,
) -> dict[str, Any]:
    """Returns the values of flags by the names of their fields; a tuple's flag has a list, and `flags` adds variables.

    Raises:
        ProgramExit: A flag is unknown, or its value is missing.
        SystemExit: Help or the version was asked for, and is printed.
    """
    parser = _Parser(
        prog=program, description=summary, allow_abbrev=False, formatter_class=fixed_width_formatter
    )
    parser.add_argument("--version", action="version", version=f"{program} {version}")
    for field, variable in flags:
        _add_flag(parser, field, variable)
    return vars(parser.parse_args(argv))


def _add_flag(parser: argparse.ArgumentParser, field: dataclasses.Field[Any], variable: str) -> None:
    extra, flag = field.metadata, "--" + field.name.replace("_", "-")
    default = extra["default"]
    shown = "" if default in (..., None, (), "", False) else f" (default {default})"
    text = f"{extra['text']}{shown} [${variable}]".replace("%", "%%")
    if isinstance(default, bool):
        parser.add_argument(flag, action="store_const", const="true", default=None, help=text)
    elif isinstance(default, tuple):
        parser.add_argument(flag, action="append", default=None, help=text, metavar=extra["metavar"])
    else:
        metavar = "{" + ",".join(extra["choices"]) + "}" if extra["choices"] else extra["metavar"]
        parser.add_argument(flag, default=None, help=text, metavar=metavar)


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser that reports a wrong flag as one line, like every other wrong input."""

    def format_help(self) -> str:
        """Formats the help as wide as the terminal."""
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def _print_message(self, message: str, file: Any = None) -> None:
        """Prints help and version by the sink of stdout: a reader that leaves early is not an error."""
        del file  # errors are raised, so it is stdout
        print_line(message.rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        raise ProgramExit(ExitCode.USAGE, message, hint=f"see {self.prog} --help")
