"""Retry budgets and backoff."""

import pytest

from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import DependencyFailurePolicy, FailureClass, Task, TaskId, TaskKey
from swarmd.domain.policy import (
    FINAL_FAILURES,
    LANDING_FAILURES,
    MAX_LANDING_FAILURES,
    MAX_LOSSES,
    Backoff,
    decide_retry,
    repeated_findings,
    stop_after_s,
)

FREE = ("worker_lost", "provider_limited", "provider_denied", "bad_config", "interrupted")


def running(*, failures: int = 0, losses: int = 0, max_retries: int = 2) -> Task:
    return Task(
        key=TaskKey(1), task_id=TaskId("t"), status=TaskStatus.IN_PROGRESS, ready=False, unmet=0,
        policy=DependencyFailurePolicy.SKIP, max_retries=max_retries, failures=failures, losses=losses,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tries", "most"), [(1, 2.0), (2, 4.0), (3, 8.0), (8, 256.0), (9, 300.0), (1000, 300.0)]
)
def test_the_backoff_doubles_up_to_its_most_with_full_jitter(tries: int, most: float) -> None:
    backoff = Backoff(2.0, 300.0)

    assert backoff.delay_s(tries, 1.0) == most
    assert backoff.delay_s(tries, 0.5) == most / 2
    assert backoff.delay_s(tries, 0.0) == 0.0


@pytest.mark.parametrize(
    "failure", [f for f in FailureClass if f not in (*FREE, *FINAL_FAILURES, *LANDING_FAILURES)]
)
def test_a_failure_counts_once_and_the_budget_is_exact(failure: FailureClass) -> None:
    for failures in range(4):
        verdict = decide_retry(running(failures=failures), failure, backoff=Backoff(), chance=1.0)
        assert (verdict.failures, verdict.losses) == (failures + 1, 0)
        assert verdict.retry is (failures < 2)


@pytest.mark.parametrize("failure", sorted(FINAL_FAILURES))
def test_a_failure_that_no_builder_can_mend_ends_the_task_at_once_and_uses_up_no_budget(
    failure: FailureClass,
) -> None:
    verdict = decide_retry(running(failures=1, losses=1), failure, backoff=Backoff(), chance=1.0)

    assert (verdict.retry, verdict.failures, verdict.losses, verdict.backoff_s) == (False, 1, 1, 0.0)


@pytest.mark.parametrize("failure", sorted(LANDING_FAILURES))
def test_failures_to_land_have_their_own_budget_and_need_no_wait(failure: FailureClass) -> None:
    for landing_failures in range(MAX_LANDING_FAILURES + 1):
        task = running(max_retries=0)._replace(landing_failures=landing_failures)
        verdict = decide_retry(task, failure, backoff=Backoff(), chance=1.0)
        assert (verdict.failures, verdict.losses) == (0, 0)
        assert (verdict.landing_failures, verdict.backoff_s) == (landing_failures + 1, 0.0)
        assert verdict.retry is (landing_failures < MAX_LANDING_FAILURES)


def test_losses_have_their_own_budget() -> None:
    for losses in range(MAX_LOSSES + 1):
        task = running(losses=losses, max_retries=0)
        verdict = decide_retry(task, FailureClass.WORKER_LOST, backoff=Backoff(), chance=1.0)
        assert (verdict.failures, verdict.losses) == (0, losses + 1)
        assert verdict.retry is (losses < MAX_LOSSES)


def test_a_provider_is_waited_for_as_long_as_it_asked_and_up_to_half_longer() -> None:
    for chance, wait_s in ((0.0, 100.0), (1.0, 150.0)):
        verdict = decide_retry(
            running(max_retries=0), FailureClass.PROVIDER_LIMITED,
            backoff=Backoff(), chance=chance, retry_after_s=100.0,
        )  # fmt: skip
        assert (verdict.retry, verdict.failures, verdict.losses, verdict.backoff_s) == (True, 0, 0, wait_s)


@pytest.mark.parametrize(
    ("lost_after", "suspect_after"), [(1800.0, 30.0), (60.0, 30.0), (5.0, 1.0), (1.0, 0.3)]
)
def test_a_worker_must_stop_before_its_tasks_are_given_away(lost_after: float, suspect_after: float) -> None:
    found = stop_after_s(lost_after_s=lost_after, suspect_after_s=suspect_after)

    assert lost_after / 2 <= found < lost_after


def test_a_provider_that_refuses_uses_up_no_budget_and_causes_no_wait() -> None:
    verdict = decide_retry(
        running(max_retries=0), FailureClass.PROVIDER_DENIED, backoff=Backoff(), chance=1.0
    )

    assert (verdict.retry, verdict.failures, verdict.losses, verdict.backoff_s) == (True, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("findings", "stuck"),
    [
        ([], []),
        ([["a"], ["a"]], []),
        ([["a", "b"], ["a"], ["a", "c"]], ["a"]),
        ([["a"], ["b"], ["a"]], []),
        ([["a"], ["a"], ["a"], []], ["a"]),
    ],
)
def test_a_finding_in_the_three_latest_verdicts_counts_as_repeated(
    findings: list[list[str]], stuck: list[str]
) -> None:
    assert list(repeated_findings(findings)) == stuck
