"""Changes of attempts in clones, and landings of their work on a target branch."""

from dataclasses import dataclass


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
