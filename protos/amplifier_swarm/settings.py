"""How the daemons read their settings: one frozen dataclass a program, a flag and a variable a field.

A field is declared with `setting(...)`. Its flag is its name with dashes, its variable the program's
prefix and its name in capitals; an explicit flag wins over the variable, the variable over the default.
"""

import argparse
import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from amplifier_swarm.exits import ExitCode, ProgramExit

S = TypeVar("S")


def setting(
    default: Any,
    text: str,
    *,
    parse: Callable[[str], Any] = str,
    metavar: str = "TEXT",
    choices: Sequence[str] | None = None,
    env: str | None = None,
    separator: str | None = ",",
) -> Any:
    """Declares a field. `...` as the default makes it required; a tuple default takes a repeated flag,
    and its variable values with the separator between them, None being white space."""
    extra = {
        "text": text,
        "parse": parse,
        "metavar": metavar,
        "choices": choices,
        "env": env,
        "separator": separator,
        "default": default,
    }
    if default is ...:
        return dataclasses.field(metadata=extra)
    return dataclasses.field(default=default, metadata=extra)


def variable_of(prefix: str, field: dataclasses.Field[Any]) -> str:
    """The environment variable of a field."""
    return field.metadata["env"] or f"{prefix}_{field.name.upper()}"


def flag_of(field: dataclasses.Field[Any]) -> str:
    """The flag of a field."""
    return "--" + field.name.replace("_", "-")


def read_settings(
    kind: type[S], *, program: str, prefix: str, summary: str, version: str, argv: Sequence[str] | None = None
) -> S:
    """Makes the settings from flags and environment; raises Exit with one line where one is wrong."""
    parser = _Parser(prog=program, description=summary, allow_abbrev=False, formatter_class=_ANY_WIDTH)
    parser.add_argument("--version", action="version", version=f"{program} {version}")
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # every kind is a dataclass
    for field in fields:
        _add_flag(parser, prefix, field)
    given = vars(parser.parse_args(sys.argv[1:] if argv is None else argv))
    values = {}
    for field in fields:
        value = _value(prefix, field, given[field.name])
        if value is ...:
            raise ProgramExit(ExitCode.USAGE, f"{flag_of(field)} is missing", hint=f"see {program} --help")
        values[field.name] = value
    return kind(**values)


def _add_flag(parser: argparse.ArgumentParser, prefix: str, field: dataclasses.Field[Any]) -> None:
    extra = field.metadata
    default = extra["default"]
    shown = "" if default in (..., None, (), "", False) else f" (default {default})"
    text = f"{extra['text']}{shown} [${variable_of(prefix, field)}]".replace("%", "%%")
    if isinstance(default, bool):
        parser.add_argument(flag_of(field), action="store_const", const="true", default=None, help=text)
    elif isinstance(default, tuple):
        parser.add_argument(
            flag_of(field), action="append", default=None, help=text, metavar=extra["metavar"]
        )
    else:
        metavar = "{" + ",".join(extra["choices"]) + "}" if extra["choices"] else extra["metavar"]
        parser.add_argument(flag_of(field), default=None, help=text, metavar=metavar)


def _value(prefix: str, field: dataclasses.Field[Any], given: Any) -> Any:
    default = field.metadata["default"]
    if given is None:
        text = os.environ.get(variable_of(prefix, field))
        if text is None or text == "":
            return default
        given = text.split(field.metadata["separator"]) if isinstance(default, tuple) else text
    name = flag_of(field)
    if isinstance(default, tuple):
        return tuple(_parse(field, name, item) for item in given)
    return _parse(field, name, given)


def _parse(field: dataclasses.Field[Any], name: str, text: str) -> Any:
    extra = field.metadata
    if isinstance(extra["default"], bool):
        return boolean(name, text)
    if extra["choices"] and text not in extra["choices"]:
        raise ProgramExit(ExitCode.USAGE, f"{name} {text!r} is none of {', '.join(extra['choices'])}")
    try:
        return extra["parse"](text)
    except ValueError as error:
        raise ProgramExit(ExitCode.USAGE, f"{name} {text!r}: {error}") from error


def boolean(name: str, text: str) -> bool:
    """Reads a yes or no of the environment."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ProgramExit(ExitCode.USAGE, f"{name} {text!r} is neither true nor false")


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser for a number within bounds, both allowed."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("not a number") from None
        if not low <= value <= high:
            raise ValueError(f"must be from {low:.10g} to {high:.10g}")
        return value

    return parse


def integer(low: int, high: int) -> Callable[[str], int]:
    """A parser for a whole number within bounds, both allowed."""

    def parse(text: str) -> int:
        value = int(text) if text.lstrip("-").isdecimal() else None
        if value is None:
            raise ValueError("not a whole number")
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return parse


def path(text: str) -> Path:
    """A parser for a path; `~` is the home folder."""
    return Path(text).expanduser()


# Each flag that is added is formatted once, to see whether it can be. A formatter that is told no width asks shutil
# for it, which loads every compressor: half a MiB of a daemon that shows no help.
_ANY_WIDTH: Final = functools.partial(argparse.HelpFormatter, width=80)


class _Parser(argparse.ArgumentParser):
    """Reports a wrong flag as one line, like every other wrong input."""

    def format_help(self) -> str:
        """As wide as the terminal."""
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise ProgramExit(ExitCode.USAGE, message, hint=f"see {self.prog} --help")
