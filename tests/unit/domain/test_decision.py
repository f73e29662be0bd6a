"""Decisions about ended attempts, each from the status of its task and the outcome."""

import json
from dataclasses import replace
from typing import Any

import pytest

from swarmd.domain.decision import DECLINED_BACKOFF_S, Decision, RetryRule, decide, decide_lost
from swarmd.domain.landing import StartPoint
from swarmd.domain.lifecycle import TRANSITIONS, TaskStatus
from swarmd.domain.model import (
    DependencyFailurePolicy,
    FailureClass,
    Outcome,
    OutcomeKind,
    Task,
    TaskId,
    TaskKey,
)
from swarmd.domain.policy import MAX_INTERRUPTIONS, Backoff

RULE = RetryRule(Backoff(2.0, 300.0), lambda: 1.0)
OPEN = (TaskStatus.CLAIMED, TaskStatus.IN_PROGRESS, TaskStatus.KILLING)


def task(status: TaskStatus, **fields: Any) -> Task:
    known = {"unmet": 0, "policy": DependencyFailurePolicy.SKIP, "max_retries": 2, "cause": "by hand"}
    return Task(key=TaskKey(1), task_id=TaskId("t"), status=status, ready=False, **{**known, **fields})


def outcome(kind: OutcomeKind, failure: FailureClass | None = None, *findings: str) -> Outcome:
    report = {"verdict": {"findings": [{"finding_id": finding} for finding in findings]}}
    return Outcome(kind, failure, "it broke", json.dumps(report if findings else {}), b"")


def decided(
    status: TaskStatus, reported: Outcome, *earlier: list[str], interruptions: int = 0, **fields: Any
) -> Decision:
    known = task(status, **fields)
    return decide(known, reported, RULE, earlier_findings=earlier, interruptions=interruptions)


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize("kind", OutcomeKind)
def test_every_decision_is_a_transition_of_the_table(status: TaskStatus, kind: OutcomeKind) -> None:
    for failure in (None, *FailureClass):
        assert decided(status, outcome(kind, failure)).transition in TRANSITIONS[status]
    assert decide_lost(task(status), "gone", RULE).transition in TRANSITIONS[status]


@pytest.mark.parametrize("kind", OutcomeKind)
def test_a_kill_wins_over_every_outcome_and_keeps_results(kind: OutcomeKind) -> None:
    found = decided(TaskStatus.KILLING, outcome(kind))

    assert (found.ended_as, found.transition, found.cause) == ("killed", "finish_kill", "by hand")
    assert found.archives is (kind in (OutcomeKind.COMPLETED, OutcomeKind.FAILED))


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind is not OutcomeKind.FAILED])
def test_a_claim_without_a_go_is_released_after_a_wait(kind: OutcomeKind) -> None:
    found = decided(TaskStatus.CLAIMED, outcome(kind))

    assert (found.ended_as, found.transition) == ("released", "release")
    assert found.update == {"backoff_s": DECLINED_BACKOFF_S}
    assert not found.keeps_report


def test_a_worker_s_fault_before_the_go_is_charged_so_that_it_does_not_loop() -> None:
    again = decided(TaskStatus.CLAIMED, outcome(OutcomeKind.FAILED), max_retries=1)
    last = decided(TaskStatus.CLAIMED, outcome(OutcomeKind.FAILED), failures=1, max_retries=1)

    assert (again.ended_as, again.transition, again.update["failures"]) == ("failed", "retry", 1)
    assert (last.transition, last.update["last_error"]) == ("give_up", "it broke")


@pytest.mark.parametrize("status", [TaskStatus.CLAIMED, TaskStatus.IN_PROGRESS])
def test_a_session_that_can_not_be_started_as_configured_costs_no_retry(
    status: TaskStatus,
) -> None:
    found = decided(status, outcome(OutcomeKind.FAILED, FailureClass.BAD_CONFIG), failures=1, max_retries=1)

    assert (found.transition, found.update["failures"]) == ("retry", 1)


def test_a_completion_clears_the_last_failure() -> None:
    found = decided(TaskStatus.IN_PROGRESS, outcome(OutcomeKind.COMPLETED), failures=1, last_error="x")

    assert (found.ended_as, found.transition) == ("completed", "complete")
    assert found.update == {
        "last_error": "",
        "failure_class": None,
        "starts_at": "builder",
        "work_of": 0,
        "approved": None,
    }


LANDING: dict[str, Any] = {"starts_at": StartPoint.LANDING, "work_of": 1}


def test_work_that_is_not_found_leaves_its_task_completed() -> None:
    missing = outcome(OutcomeKind.FAILED, FailureClass.WORK_MISSING)

    found = decided(TaskStatus.CLAIMED, missing, **LANDING)
    of_a_builder = decided(TaskStatus.CLAIMED, missing)

    assert (found.ended_as, found.transition) == ("failed", "withdraw")
    assert found.update == {
        "last_error": "it broke", "failure_class": "work_missing", "starts_at": "builder", "work_of": 0,
        "approved": None,
    }  # fmt: skip
    assert of_a_builder.transition == "retry", (
        "of an attempt that lands nothing it is a failure like any other"
    )


@pytest.mark.parametrize("failure", [FailureClass.LANDING_CONFLICT, FailureClass.LANDING_FAILED])
def test_a_builder_follows_a_landing_only_if_there_are_findings(failure: FailureClass) -> None:
    red = replace(outcome(OutcomeKind.FAILED, failure, "F1"), verdict_passed=False)

    with_findings = decided(TaskStatus.IN_PROGRESS, red, **LANDING)
    without = decided(TaskStatus.IN_PROGRESS, outcome(OutcomeKind.FAILED, failure), **LANDING)

    assert with_findings.update["starts_at"] == "builder"
    assert "starts_at" not in without.update, "git failed, so the same work is landed again"
    assert with_findings.update["landing_failures"] == without.update["landing_failures"] == 1
    assert "work_of" not in with_findings.update, "what the builder reconciles has to land"


def test_a_lost_landing_starts_again_where_it_was() -> None:
    found = decide_lost(task(TaskStatus.IN_PROGRESS, **LANDING), "gone", RULE)

    assert found.transition == "retry"
    assert not {"starts_at", "work_of"} & found.update.keys()


def test_a_finding_that_comes_back_twice_gives_up_before_the_budget_is_used_up() -> None:
    rejected = outcome(OutcomeKind.FAILED, FailureClass.VALIDATION_FAILED, "F1", "F2")

    again = decided(TaskStatus.IN_PROGRESS, rejected, ["F2", "F1"], ["F1"], failures=2, max_retries=9)
    other = decided(TaskStatus.IN_PROGRESS, rejected, ["F2", "F1"], ["F3"], failures=2, max_retries=9)

    assert (again.transition, again.detail) == ("give_up", "F1 came back unchanged twice: it broke")
    assert other.transition == "retry"


def test_a_worker_that_stops_its_sessions_by_itself_counts_as_a_loss() -> None:
    found = decided(TaskStatus.IN_PROGRESS, outcome(OutcomeKind.STOPPED))

    assert (found.failure_class, found.ended_as) == ("worker_lost", "failed")
    assert (found.update["failures"], found.update["losses"]) == (0, 1)


def test_an_interrupted_attempt_costs_nothing_and_the_next_one_waits_for_nothing() -> None:
    interrupted = replace(outcome(OutcomeKind.STOPPED), interrupted=True)

    found = decided(TaskStatus.IN_PROGRESS, interrupted)
    tenth = decided(TaskStatus.IN_PROGRESS, interrupted, interruptions=MAX_INTERRUPTIONS)

    assert (found.failure_class, found.transition) == ("interrupted", "retry")
    assert (found.update["failures"], found.update["losses"], found.update["backoff_s"]) == (0, 0, 0.0)
    assert (tenth.failure_class, tenth.update["losses"]) == ("worker_lost", 1)


def test_chance_is_drawn_only_for_a_wait() -> None:
    def drawn() -> float:
        raise AssertionError("no wait is needed")

    rule = RetryRule(Backoff(), drawn)
    decide(task(TaskStatus.CLAIMED), outcome(OutcomeKind.DECLINED), rule, earlier_findings=())
    decide(task(TaskStatus.KILLING), outcome(OutcomeKind.FAILED), rule, earlier_findings=())
    decide(task(TaskStatus.IN_PROGRESS), outcome(OutcomeKind.COMPLETED), rule, earlier_findings=())


def test_a_killed_task_names_the_processes_that_could_not_be_ended() -> None:
    left = replace(outcome(OutcomeKind.STOPPED), survivors=1)

    found = decided(TaskStatus.KILLING, left)

    assert (found.ended_as, found.transition) == ("killed", "finish_kill")
    assert found.update == {"last_error": "1 process could not be ended"}


@pytest.mark.parametrize("failure", FailureClass)
def test_an_attempt_with_processes_that_could_not_be_ended_is_the_last(failure: FailureClass) -> None:
    left = replace(outcome(OutcomeKind.FAILED, failure), survivors=2)

    found = decided(TaskStatus.IN_PROGRESS, left)

    assert found.transition == "give_up"
    assert found.update["last_error"] == "2 processes could not be ended: it broke"
