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
# Other shells have these built in, so that no PATH and no sourced file is meant to provide them.
_FOREIGN_BUILTINS: Final = frozenset((
    "[[", "declare", "disown", "function", "let", "mapfile", "popd", "pushd", "readarray", "setopt", "shopt",
    "source", "typeset",
))  # fmt: skip
# The project's folder, as a command may write it, and a folder that is never in the project.
_ROOT: Final = re.compile(r"^\$(?:PWD\b|SWARM_PROJECT_ROOT\b|\{PWD\}|\{SWARM_PROJECT_ROOT\})")
_HOME: Final = re.compile(r"^(?:~|\$HOME\b|\$\{HOME\})")
_PATH_ITSELF: Final = frozenset(("$PATH", "${PATH}"))
# A word of a shell with its quotes, and the places where a command can start.
_WORD: Final = r"""((?:"[^"]*"|'[^']*'|[^\s;&|()"'])+)"""
_COMMAND_START: Final = r"""(?:^|[;&|({!\n]|\b(?:if|then|else|do)\s|\s["'])\s*"""
_SET_PATH: Final = re.compile(rf"""(?:^|[\s;&|("'])PATH\+?={_WORD}""")
_SOURCED: Final = re.compile(rf"{_COMMAND_START}(?:\.|source)\s+{_WORD}")
_FOLDER_CHANGE: Final = re.compile(rf"{_COMMAND_START}cd\s+(?:-[LP]\s+|--\s+)*{_WORD}")
# Complaints about the grammar of another shell. Each has its cause in the command: the same complaint may come from
# a file that the command sources, and that a builder can correct.
_ILLEGAL_OPTION: Final = re.compile(r": (\w+): illegal option (?:-o )?-?(\w+)$", re.IGNORECASE)
_BAD_SUBSTITUTION: Final = re.compile(r": bad substitution$", re.IGNORECASE)
_UNEXPECTED_OPERATOR: Final = re.compile(r": (?:\[|test): .*unexpected operator$", re.IGNORECASE | re.DOTALL)
_FOREIGN_EXPANSION: Final = re.compile(r"\$\{(?:!|\w+(?:\[[^\]]*\])?(?:/|\^|,|@|:(?![-=?+])|\[)|\w+\[)")
_DOUBLE_EQUALS: Final = re.compile(
    r"""(?:^|[\s;&|(!])(?:\[|test)\s(?:"[^"]*"|'[^']*'|\$\([^()]*\)|\$(?!\()|[^;|&"'$])*?(?<=\s)==\s"""
)


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
        is_builders = _is_builders_matter(complaint.word, result.command, place)
        return "" if is_builders else one_line(complaint.line, ERROR_CHARS)
    word = _first_word(result.command)
    unknown = result.exit_code == NOT_FOUND and word and find_program(word, path=place.path) is None
    if unknown and not _is_builders_matter(word, result.command, place):
        return f"{SHELL} finds no program {word!r} on PATH"
    return ""


def grammar_fault(result: CheckResult) -> str:
    """Returns the shell's complaint about the grammar of another shell; empty if it has none.

    Such a command is parsed well, and fails when it runs: `set -o pipefail`, `${x//a/b}`, `[ a == a ]`.
    """
    if result.exit_code != SYNTAX_ERROR:
        return ""
    lines = [line.rstrip() for line in result.output_tail.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith(f"{SHELL}: ") and _has_foreign_grammar(result.command, line):
            return one_line(line, ERROR_CHARS)
    # A test with an unexpected operator is false, and what follows it may have failed instead. Its operand may have
    # more than one line.
    _, prefix, last = "\n".join(["", *lines]).rpartition(f"\n{SHELL}: ")
    complains = _UNEXPECTED_OPERATOR.search(prefix + last) and _DOUBLE_EQUALS.search(result.command)
    return one_line((prefix + last).strip(), ERROR_CHARS) if prefix and complains else ""


def _has_foreign_grammar(command: str, line: str) -> bool:
    """Returns True if the complaint is about an option or an expansion that the command has."""
    if option := _ILLEGAL_OPTION.search(line):
        name, value = option.groups()
        return re.search(rf"\b{name}\s[^;|&\n]*{re.escape(value)}", command) is not None
    return bool(_BAD_SUBSTITUTION.search(line) and _FOREIGN_EXPANSION.search(command))


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


def _is_builders_matter(word: str, command: str, place: CheckPlace) -> bool:
    """Returns True if a builder can make the word: a missing file of the project, or one that it makes itself.

    A program's bare name counts if the command looks for it in the project: by PATH, or by a file that it sources.
    """
    if os.sep not in word:
        return word not in _FOREIGN_BUILTINS and _looks_in_project(command, place.root)
    word = _ROOT.sub(lambda _: str(place.root), word)
    if _VARIABLE.match(word):
        return False
    paths = {Path(os.path.normpath(folder / word)) for folder in _folders(command, place.root)}
    paths = {path for path in paths if path.is_relative_to(place.root)}
    present = {path: changed_s for path in paths if (changed_s := _changed_s(path)) is not None}
    if not present:
        return bool(paths)
    declared = {Path(os.path.normpath(place.root / file)) for file in place.files}
    recent_s = place.built_since_s - CLOCK_ROOM_S
    return any(path in declared or changed_s >= recent_s for path, changed_s in present.items())


def _changed_s(path: Path) -> float | None:
    try:
        return path.stat().st_ctime
    except OSError:
        return None


def _looks_in_project(command: str, root: Path) -> bool:
    """Returns True if the command puts a folder of the project on PATH, or sources a file of the project."""
    places = [_unquoted(match) for match in _SOURCED.findall(command)]
    for value in _SET_PATH.findall(command):
        places += [entry for entry in _unquoted(value).split(os.pathsep) if entry not in _PATH_ITSELF]
    return any(_may_be_in_project(path, command, root) for path in places)


def _may_be_in_project(path: str, command: str, root: Path) -> bool:
    """Returns False if the path is outside of the project; what only the shell can expand may be inside."""
    if _HOME.match(path):
        return False
    path = _ROOT.sub(lambda _: str(root), path)
    folders = _folders(command, root)
    return any(Path(os.path.normpath(folder / path)).is_relative_to(root) for folder in folders)


def _folders(command: str, root: Path) -> list[Path]:
    """Returns the project and each folder that the command may change to."""
    folders = [root]
    for match in _FOLDER_CHANGE.findall(command):
        target = _ROOT.sub(lambda _: str(root), _unquoted(match))
        folders += [Path(os.path.normpath(folder / target)) for folder in (root, folders[-1])]
    return folders


def _unquoted(word: str) -> str:
    return word.replace('"', "").replace("'", "")


def _first_word(command: str) -> str:
    """Returns the program's bare name if the command starts with one that is not built into the shell."""
    words = [word for word in _SEPARATORS.split(command.strip()) if word and not _ASSIGNMENT.match(word)]
    word = words[0] if words else ""
    return word if re.fullmatch(r"[\w.+-]+", word) and word not in _BUILTINS else ""
