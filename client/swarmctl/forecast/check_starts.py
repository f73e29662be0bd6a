"""Checks that can't start: the shell can't parse them, or this machine has no such program."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.text import one_line

SHELL: Final = "/bin/sh"
# A parse takes a millisecond. The shell gets all words of one question as arguments.
MAX_PARSED: Final = 400
MAX_WORDS: Final = 1_000
MAX_COMMAND: Final = 100_000
_TIMEOUT_S: Final = 10.0
_ERROR_CHARS: Final = 200
# Words and options, which every shell can parse.
_SIMPLE: Final = re.compile(r"[\w@%+=:,./-]+(?:(?: +| *&& *)[\w@%+=:,./-]+)*\s*")
_FIRST_WORD: Final = re.compile(r"\s*(?:\w+=[^\s'\"`$]*\s+)*(?P<word>[A-Za-z][\w.+-]*)(?=\s|$)")
# Such a command may find its program in the project.
_OWN_PATH: Final = re.compile(r"PATH\+?=|(?:^|[\s;&|(])(?:\.|source)\s")
_FIND_WORDS: Final = 'for w; do command -v -- "$w" >/dev/null 2>&1 || printf "%s\\n" "$w"; done'


@dataclass(frozen=True, slots=True)
class UnstartableCheck:
    """A check with the reason why it can't start, and the numbers of the tasks that have it."""

    command: str
    reason: str
    tasks: Sequence[int]
    # False if the machines of the workers may differ.
    certain: bool


def unstartable_checks(checks: Iterable[tuple[int, str]]) -> list[UnstartableCheck]:
    """Returns the checks that can't start, of pairs of a task's number and a command. Runs none of them.

    At most 400 commands that are more than words are parsed, and 1,000 programs looked for.
    """
    tasks: dict[str, list[int]] = {}
    for i, command in checks:
        tasks.setdefault(command, []).append(i)
    found = [
        UnstartableCheck(command, reason, tasks[command], certain=True)
        for command, reason in _syntax_errors(tasks)
    ]
    broken = {check.command for check in found}
    words = {command: word for command in tasks if command not in broken and (word := _first_word(command))}
    unknown = _unknown_words(list(dict.fromkeys(words.values()))[:MAX_WORDS])
    return found + [
        UnstartableCheck(command, f"this machine has no program {word}", tasks[command], certain=False)
        for command, word in words.items()
        if word in unknown
    ]


def _syntax_errors(commands: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    complex_ones = [c for c in commands if len(c) < MAX_COMMAND and not _SIMPLE.fullmatch(c)]
    for command in complex_ones[:MAX_PARSED]:
        done = _shell("-n", "-c", command)
        if done is not None and done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["syntax error"]
            yield command, one_line(lines[0].removeprefix(f"{SHELL}: "), _ERROR_CHARS)


def _first_word(command: str) -> str:
    found = None if _OWN_PATH.search(command) else _FIRST_WORD.match(command)
    return found["word"] if found else ""


def _unknown_words(words: Sequence[str]) -> set[str]:
    done = _shell("-c", _FIND_WORDS, SHELL, *words) if words else None
    return set() if done is None else set(done.stdout.decode(errors="replace").splitlines())


def _shell(*arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """Returns None if the shell can't be started, or takes no such arguments."""
    try:
        return subprocess.run(
            [SHELL, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
