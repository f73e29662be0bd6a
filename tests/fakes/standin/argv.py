"""A parser for argv like click's. Invariant: an undeclared option is a usage error, with code 2 and no envelope."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH = 32


class UsageError(Exception):
    """An error for a call that does not match the declared options."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option; its key is its last name, and a flag has no value."""

    names: tuple[str, ...]
    help: str
    flag: bool = False
    choices: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def key(self) -> str:
        return self.names[-1].lstrip("-")


@dataclass(slots=True)
class Given:
    """The parsed arguments: values by key, flags with an empty value, and the positional rest."""

    values: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, default: str = "") -> str:
        return self.values.get(key, default)


@dataclass(frozen=True, slots=True)
class Command:
    """A command and its options."""

    path: str
    about: str
    options: tuple[Option, ...]
    argument: str = ""

    def parse(self, argv: Sequence[str]) -> Given:
        """Parses argv; raises UsageError if it does not match the options."""
        given, words = Given(), list(argv)
        while words:
            word = words.pop(0)
            if word == "--":
                given.rest += words
                break
            if word == "-" or not word.startswith("-"):
                given.rest.append(word)
            else:
                self._option(word, words, given)
        most = 1 if self.argument else 0
        if len(given.rest) > most:
            raise UsageError(f"Got unexpected extra argument ({' '.join(given.rest[most:])[:200]})")
        return given

    def _option(self, word: str, words: list[str], given: Given) -> None:
        name, equals, value = word.partition("=")
        option = next((option for option in self.options if name in option.names), None)
        if option is None:
            raise UsageError(f"No such option: {name if name.startswith('--') else name[:2]}")
        if option.flag:
            given.values[option.key] = ""
            return
        if not equals:
            if not words:
                raise UsageError(f"Option '{name}' requires an argument.")
            value = words.pop(0)
        if option.choices and value not in option.choices:
            known = ", ".join(f"'{choice}'" for choice in option.choices)
            raise UsageError(f"Invalid value for '{name}': '{value}' is not one of {known}.")
        given.values[option.key] = value

    def help(self) -> str:
        lines = [
            f"Usage: {self.path} [OPTIONS] {self.argument}".rstrip(),
            "",
            f"  {self.about}",
            "",
            "Options:",
        ]
        for option in (*self.options, HELP):
            kind = "" if option.flag else f" [{'|'.join(option.choices)}]" if option.choices else " TEXT"
            if not option.hidden:
                lines.append(f"  {', '.join(option.names) + kind:<{WIDTH}}  {option.help}")
        return "\n".join(lines) + "\n"

    def refuse(self, error: UsageError) -> int:
        """Writes the usage text; returns the exit code."""
        sys.stderr.write(
            f"Usage: {self.path} [OPTIONS] {self.argument}".rstrip()
            + f"\nTry '{self.path} --help' for help.\n\nError: {error}\n"
        )
        return 2


HELP = Option(("--help",), "Show this message and exit.", flag=True)


def group_help(path: str, about: str, commands: Sequence[str]) -> str:
    """Returns the help text of a program with commands."""
    listed = "".join(f"  {name}\n" for name in commands)
    return f"Usage: {path} [OPTIONS] COMMAND [ARGS]...\n\n  {about}\n\nCommands:\n{listed}"


def no_command(path: str, name: str) -> int:
    """Reports an unknown command; returns the exit code."""
    sys.stderr.write(
        f"Usage: {path} [OPTIONS] COMMAND [ARGS]...\nTry '{path} --help' for help.\n\n"
        f"Error: No such command '{name}'.\n"
    )
    return 2
