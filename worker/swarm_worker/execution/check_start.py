"""The difference between a check that fails and a check that can't start.

Invariant: a check that can't start is a fault of the plan, unless a builder can make its program: then it is an
ordinary failed check. A builder can make every file in the project, and it is asked to if it made the file badly.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.light_imports import find_program
from amplifier_swarm.text import one_line
from swarm_worker.domain.model import CheckResult

SHELL: Final = "/bin/sh"
# The exit codes of a shell for a syntax error, for a program that is not executable, and for an unknown one.
SYNTAX_ERROR: Final = 2
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
ERROR_CHARS: Final = 300
# File systems stamp changes with a clock that is a few milliseconds late.
CLOCK_ROOM_S: Final = 1.0
# What a shell knows without a program; `find_program` would miss these.
_BUILTINS: Final = frozenset((
    ".", ":", "[", "{", "(", "!", "alias", "bg", "break", "case", "cd", "command", "continue", "echo", "eval", "exec",
    "exit", "export", "false", "fg", "for", "getopts", "hash", "if", "jobs", "kill", "printf", "pwd", "read",
    "readonly", "return", "set", "shift", "test", "times", "trap", "true", "type", "ulimit", "umask", "unalias",
    "unset", "until", "wait", "while",
))  # fmt: skip
_ASSIGNMENT: Final = re.compile(r"\w+=")
_SEPARATORS: Final = re.compile(r"[\s;|&()<>]+")
# A number may be that of a line, and a word with a dash is an option.
_COMPARABLE: Final = re.compile(r"(?!-|\d+$)\S")
_VARIABLE: Final = re.compile(r"^(?:\$\{?\w+\}?|~\w*)(?=/)")


@dataclass(frozen=True, slots=True)
class CheckPlace:
    """Where checks run: the project, the files that the task declares, PATH, and when the builder started."""

    root: Path
    files: Sequence[str]
    path: str
    built_since_s: float


class ShellComplaint(NamedTuple):
    """A word of the command that the shell could not start, and the line that says so."""

    word: str
    line: str


def start_fault(result: CheckResult, place: CheckPlace) -> str:
    """Returns why the shell could not start the check's program; empty if it did, or if a builder can make it."""
    if result.exit_code not in (NOT_EXECUTABLE, NOT_FOUND):
        return ""
    complaint = _shell_complaint(result)
    if complaint is not None:
        return "" if _is_builders_matter(complaint.word, place) else one_line(complaint.line, ERROR_CHARS)
    word = _first_word(result.command)
    if result.exit_code == NOT_FOUND and word and find_program(word, path=place.path) is None:
        return f"{SHELL} finds no program {word!r} on PATH"
    return ""


def _shell_complaint(result: CheckResult) -> ShellComplaint | None:
    """Returns the complaint of a shell about a word of the command, if there is one.

    A program that the check starts may complain in the same form about a word that the command does not have.
    Messages are not compared, since shells translate them.
    """
    words = [word.strip("'\"`") for word in _SEPARATORS.split(result.command)]
    for line in reversed(result.output_tail.splitlines()):
        for word in words:
            if _COMPARABLE.match(word) and _complains_about(word, line):
                return ShellComplaint(word, line)
    return None


def _complains_about(word: str, line: str) -> bool:
    # "$HOME/bin/x" is expanded in the complaint; its end is the same.
    tail = _VARIABLE.sub("", word)
    if tail != word and f"{tail}: " in line:
        return True
    # As shells write it, and as `env`, `timeout` and their like do.
    return any(form in line for form in (f": {word}: ", f" \u2018{word}\u2019", f" '{word}'"))


def _is_builders_matter(word: str, place: CheckPlace) -> bool:
    """Returns True if the word is a file in the project that is missing, or that the task's builder makes."""
    if os.sep not in word or _VARIABLE.match(word):
        return False
    path = place.root / word
    if not Path(os.path.normpath(path)).is_relative_to(place.root):
        return False
    try:
        changed_s = path.stat().st_ctime
    except OSError:
        return True
    declared = {os.path.normpath(file) for file in place.files}
    return os.path.normpath(word) in declared or changed_s >= place.built_since_s - CLOCK_ROOM_S


def _first_word(command: str) -> str:
    """Returns the program's bare name if the command starts with one that is not built into the shell."""
    words = [word for word in _SEPARATORS.split(command.strip()) if word and not _ASSIGNMENT.match(word)]
    word = words[0] if words else ""
    return word if re.fullmatch(r"[\w.+-]+", word) and word not in _BUILTINS else ""
