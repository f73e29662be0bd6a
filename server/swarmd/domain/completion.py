"""The proof that an outcome must carry before its task may count as completed.

Invariant: a worker that reports COMPLETED without this proof is refused, and nothing changes.
"""

from collections.abc import Iterable

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import FailureClass, Outcome, OutcomeKind


def contradiction(
    kind: OutcomeKind,
    failure_class: FailureClass | None,
    *,
    verdict_passed: bool | None,
    severities: Iterable[str] = (),
) -> str:
    """Returns what in the outcome itself contradicts COMPLETED; empty if nothing does.

    `verdict_passed` is None for an outcome without a verdict; `severities` are those of the verdict's findings.
    """
    if kind is not OutcomeKind.COMPLETED:
        return ""
    if failure_class is not None:
        return f"is COMPLETED with failure class {failure_class}; report FAILED, or leave the class out"
    if verdict_passed is False:
        return "is COMPLETED with a verdict that did not pass; report FAILED with VALIDATION_FAILED"
    if any(severity.strip().casefold() == "critical" for severity in severities):
        return "is COMPLETED with a critical finding; report FAILED with VALIDATION_FAILED"
    return ""


def missing_proof(outcome: Outcome, status: TaskStatus, *, validate: bool | None) -> str:
    """Returns which proof a COMPLETED outcome lacks; empty if it lacks none.

    `status` is that of the task while the attempt is open, `validate` what its definition demands.
    """
    if outcome.kind is not OutcomeKind.COMPLETED or status is TaskStatus.KILLING:
        # A kill wins: the outcome is its proof of death, and only an operator can make the result count.
        return ""
    if status is TaskStatus.CLAIMED:
        return "is COMPLETED, but no session of the lease ever got a go; report DECLINED, or ask by RecordSession"
    if validate and outcome.verdict_passed is None and not outcome.validation_waived:
        return "is COMPLETED without a verdict, but the task demands validation; send the validator's verdict"
    return ""
