"""Changes of attempts in clones, and landings of their work on a target branch."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class StartPoint(StrEnum):
    """The points at which an attempt may start; the wire contract explains each."""

    BUILDER = "builder"
    LANDING = "landing"
    VALIDATOR = "validator"
    CHECKS = "checks"


# These judge the work of an earlier attempt again, and build nothing.
JUDGING: Final = frozenset({StartPoint.VALIDATOR, StartPoint.CHECKS})
# These have no session.
SESSIONLESS: Final = frozenset({StartPoint.LANDING, StartPoint.CHECKS})


@dataclass(frozen=True, slots=True)
class ReportedChange:
    """The change of an attempt, from the commit `base` to the commit `head`."""

    base: str
    head: str
    # Everything but the patch, as JSON: shown, and read by no decision.
    summary: str
    # Compressed by zlib. Empty if there is none.
    patch: bytes


@dataclass(frozen=True, slots=True)
class ReportedLanding:
    """The landing of an attempt: `commit`, on the branch `target`, holds its work."""

    target: str
    commit: str
    # The tip of the target before. Empty if the work was found on the target already.
    onto: str
    found: bool


@dataclass(frozen=True, slots=True)
class KeptWork:
    """The work of an attempt, from `base` to `head`, which the ref keeps in the repository.

    `session_id` is of the builder, empty if it is not known. The commits, the ref and the repository are empty if the
    attempt had no clone: its files are in the project root.
    """

    attempt: int
    base: str
    head: str
    ref: str
    repository: str
    session_id: str
