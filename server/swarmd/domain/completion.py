"""The proof that an outcome must carry before its task may count as completed.

Invariant: a worker that reports COMPLETED without this proof is refused, and nothing changes.
"""

from collections.abc import Iterable

from swarmd.domain.landing import SESSIONLESS, StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import FailureClass, Outcome, OutcomeKind


def contradiction(
    kind: OutcomeKind,
    failure_class: FailureClass | None,
    *,
    verdict_passed: bool | None,
    severities: Iterable[str] = (),
    landed: bool = False,
) -> str:
    """Returns what in the outcome itself contradicts COMPLETED; empty if nothing does.

    `verdict_passed` is None for an outcome without a verdict; `severities` are those of the verdict's findings.
    `landed` says whether the outcome names a landing.
    """
    if kind is not OutcomeKind.COMPLETED:
        return (
            f"is {kind.upper()} with a landing; report COMPLETED, or leave the landing out" if landed else ""
        )
    if failure_class is not None:
        return f"is COMPLETED with failure class {failure_class}; report FAILED, or leave the class out"
    if verdict_passed is False:
        return "is COMPLETED with a verdict that did not pass; report FAILED with VALIDATION_FAILED"
    if any(severity.strip().casefold() == "critical" for severity in severities):
        return "is COMPLETED with a critical finding; report FAILED with VALIDATION_FAILED"
    return ""


def missing_proof(
    outcome: Outcome,
    status: TaskStatus,
    *,
    validate: bool | None,
    land: bool | None = None,
    starts_at: StartPoint = StartPoint.BUILDER,
) -> str:
    """Returns which proof a COMPLETED outcome lacks; empty if it lacks none.

    `status` is that of the task while the attempt is open, `validate` what its definition demands. `land` says whether
    the work must be on the target, and is None for an attempt without a clone. `starts_at` is where the attempt
    started: one without a session relies on the verdict of the attempt before.
    """
    if outcome.kind is not OutcomeKind.COMPLETED or status is TaskStatus.KILLING:
        # A kill wins: the outcome is its proof of death, and only an operator can make the result count.
        return ""
    if outcome.landing is not None and land is None:
        return "names a landing, but the attempt has no clone; leave the landing out"
    if outcome.landing is not None and outcome.landing.found:
        # Of an earlier attempt, which had its go and its verdict before it landed.
        return ""
    return _missing_work(outcome, status, validate=validate, land=land, starts_at=starts_at)


def _missing_work(
    outcome: Outcome, status: TaskStatus, *, validate: bool | None, land: bool | None, starts_at: StartPoint
) -> str:
    """Returns which proof of the attempt's own work is missing."""
    if status is TaskStatus.CLAIMED:
        ask = "LandTask" if starts_at is StartPoint.LANDING else "RecordSession"
        return f"is COMPLETED, but no session of the lease ever got a go; report DECLINED, or ask by {ask}"
    judges = validate or starts_at is StartPoint.VALIDATOR
    unjudged = outcome.verdict_passed is None and not outcome.validation_waived
    if judges and starts_at not in SESSIONLESS and unjudged:
        return "is COMPLETED without a verdict, but the task demands validation; send the validator's verdict"
    if land and outcome.landing is None:
        return "is COMPLETED without a landing, but the work of the task has to land; ask for the right by LandTask"
    return ""
