"""The result of one check of the doctor."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from amplifier_swarm.exits import ProgramExit


class Grade(StrEnum):
    """The severity of a result."""

    OK = "ok"
    OPEN = "open"  # the check can't tell, or only at a cost
    WARN = "warn"  # work can begin, but something will be missed or soon run out
    FAIL = "fail"  # work would fail


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the report: the subject, the finding, and the advice."""

    name: str
    grade: Grade
    found: str
    hint: str = ""


def ok(name: str, found: str) -> Check:
    """Returns a check that passed."""
    return Check(name, Grade.OK, found)


def warn(name: str, found: str, hint: str) -> Check:
    """Returns a check with a warning."""
    return Check(name, Grade.WARN, found, hint)


def fail(name: str, found: str, hint: str) -> Check:
    """Returns a check that failed."""
    return Check(name, Grade.FAIL, found, hint)


def failed_by(name: str, end: ProgramExit) -> Check:
    """Returns the failed check for an error that would end another command."""
    return Check(name, Grade.FAIL, end.message, end.hint)


def failed(checks: Iterable[Check]) -> bool:
    """Returns whether any check failed."""
    return any(check.grade is Grade.FAIL for check in checks)
