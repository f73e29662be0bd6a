"""An outcome counts as a completion only with its proof."""

import pytest

from swarmd.domain.completion import contradiction, missing_proof
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import FailureClass, Outcome, OutcomeKind

RUNNING = TaskStatus.IN_PROGRESS


def outcome(
    kind: OutcomeKind = OutcomeKind.COMPLETED, *, passed: bool | None = None, waived: bool = False
) -> Outcome:
    return Outcome(kind, None, "", "{}", b"", verdict_passed=passed, validation_waived=waived)


def test_a_completion_with_a_failure_class_or_a_failed_verdict_contradicts_itself() -> None:
    completed = OutcomeKind.COMPLETED

    assert "that did not pass" in contradiction(completed, None, verdict_passed=False)
    for failure in FailureClass:
        assert f"failure class {failure}" in contradiction(completed, failure, verdict_passed=True)
    assert "a critical finding" in contradiction(
        completed, None, verdict_passed=True, severities=["Critical"]
    )
    assert contradiction(completed, None, verdict_passed=True, severities=["minor", ""]) == ""
    assert contradiction(completed, None, verdict_passed=True) == ""
    assert contradiction(completed, None, verdict_passed=None) == ""


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind is not OutcomeKind.COMPLETED])
def test_every_other_outcome_may_say_why(kind: OutcomeKind) -> None:
    assert contradiction(kind, FailureClass.VALIDATION_FAILED, verdict_passed=False) == ""
    assert missing_proof(outcome(kind), TaskStatus.CLAIMED, validate=True) == ""


def test_a_task_that_demands_validation_needs_a_verdict_unless_the_worker_waives_it() -> None:
    assert "without a verdict" in missing_proof(outcome(), RUNNING, validate=True)
    assert missing_proof(outcome(passed=True), RUNNING, validate=True) == ""
    assert missing_proof(outcome(waived=True), RUNNING, validate=True) == ""
    for validate in (None, False):
        assert missing_proof(outcome(), RUNNING, validate=validate) == ""


def test_a_lease_without_a_go_completes_nothing() -> None:
    assert "no session of the lease ever got a go" in missing_proof(
        outcome(passed=True), TaskStatus.CLAIMED, validate=None
    )


def test_a_kill_accepts_every_completion_as_its_proof_of_death() -> None:
    assert missing_proof(outcome(), TaskStatus.KILLING, validate=True) == ""
