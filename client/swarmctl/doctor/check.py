"""What one check of the doctor found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from amplifier_swarm.exits import ProgramExit


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # work can begin, but something will be missed or soon run out
    FAIL = "fail"  # work would fail


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report: what was looked at, what was found, what to do about it."""

    name: str
    grade: Grade
    found: str
    hint: str = ""


def ok(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name, Grade.OK, found)


def warn(name: str, found: str, hint: str) -> Check:
    """Something to think of."""
    return Check(name, Grade.WARN, found, hint)


def fail(name: str, found: str, hint: str) -> Check:
    """Something to mend first."""
    return Check(name, Grade.FAIL, found, hint)


def failed_by(name: str, end: ProgramExit) -> Check:
    """What would have ended another verb."""
    return Check(name, Grade.FAIL, end.message, end.hint)


def failed(checks: Iterable[Check]) -> bool:
    """Whether any failed."""
    return any(check.grade is Grade.FAIL for check in checks)
