"""Settings of the daemons: one frozen dataclass a program; each field has a flag and an environment variable.

A field is declared with `setting(...)`. Its flag is its name with dashes. Its variable is the program's prefix
and its name in capitals. A flag wins over the variable, the variable wins over the default.
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import plain_flags
from amplifier_swarm.program import check_working_directory
from amplifier_swarm.text import is_utf8, printable

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
    """Declares a field; `...` as the default makes the field required.

    With a tuple as the default, the flag may be repeated, and the variable holds values with the separator between
    them; None stands for white space.
    """
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
    """Returns the environment variable of a field."""
    return field.metadata["env"] or f"{prefix}_{field.name.upper()}"


def flag_of(field: dataclasses.Field[Any]) -> str:
    """Returns the flag of a field."""
    return "--" + field.name.replace("_", "-")


def read_settings(
    kind: type[S], *, program: str, prefix: str, summary: str, version: str, argv: Sequence[str] | None = None
) -> S:
    """Reads the settings from flags and environment; raises ProgramExit with one line for a wrong value."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # every kind is a dataclass
    words = sys.argv[1:] if argv is None else argv
    given = _plainly_given(fields, words)
    if given is None:
        # Performance: argparse takes 0.4 MiB of an idle worker (docs/performance.md).
        from amplifier_swarm.flag_parser import parse_flags  # noqa: PLC0415

        flags = [(field, variable_of(prefix, field)) for field in fields]
        given = parse_flags(words, flags, program=program, summary=summary, version=version)
    check_working_directory()
    values = {}
    for field in fields:
        value = _value(prefix, field, given.get(field.name))
        if value is ...:
            raise ProgramExit(ExitCode.USAGE, f"{flag_of(field)} is missing", hint=f"see {program} --help")
        values[field.name] = value
    return kind(**values)


def _plainly_given(fields: Sequence[dataclasses.Field[Any]], argv: Sequence[str]) -> dict[str, Any] | None:
    """Returns the values of flags by the names of their fields; None if argparse must read the command line."""
    names = {flag_of(field): field for field in fields}
    switches = {flag for flag, field in names.items() if isinstance(field.metadata["default"], bool)}
    found = plain_flags(argv, switches=switches, valued=names.keys() - switches)
    if found is None:
        return None
    given: dict[str, Any] = {}
    for flag, text in found:
        field = names[flag]
        if isinstance(field.metadata["default"], tuple):
            given.setdefault(field.name, []).append(text)
        else:
            given[field.name] = text
    return given


def _value(prefix: str, field: dataclasses.Field[Any], given: Any) -> Any:
    default = field.metadata["default"]
    if given is None:
        # A file with variables may have the line ends of another system.
        text = os.environ.get(variable_of(prefix, field), "").strip("\r\n")
        if not text:
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
    if extra["parse"] is not path and not is_utf8(text):
        raise ProgramExit(ExitCode.USAGE, f"{name} {printable(text)} is not valid UTF-8", hint="correct it")
    if extra["choices"] and text not in extra["choices"]:
        raise ProgramExit(ExitCode.USAGE, f"{name} {text!r} is not one of {', '.join(extra['choices'])}")
    try:
        return extra["parse"](text)
    except ValueError as error:
        raise ProgramExit(ExitCode.USAGE, f"{name} {text!r}: {error}") from error


def boolean(name: str, text: str) -> bool:
    """Parses true or false; `name` is the setting to blame."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ProgramExit(ExitCode.USAGE, f"{name} {text!r} is neither true nor false")


def number(low: float, high: float) -> Callable[[str], float]:
    """Returns a parser for a number within bounds, both included."""

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
    """Returns a parser for a whole number within bounds, both included."""

    def parse(text: str) -> int:
        value = int(text) if text.lstrip("-").isdecimal() else None
        if value is None:
            raise ValueError("not a whole number")
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return parse


def path(text: str) -> Path:
    """Parses a path; `~` and `~user` are home folders.

    Raises:
        ValueError: There is no such user, or the user has no home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        user = text.partition("/")[0]
        missing = "this user has no home folder" if user == "~" else f"there is no user {user[1:]}"
        raise ValueError(f"{missing}; for a file of that name write ./{text}") from None
