"""A validator that fails by itself is run again alone, and its failure is never the builder's."""

import pytest

from swarm_worker.domain.model import Failure, FailureClass, OutcomeKind, Verdict
from swarm_worker.execution.session_result import SessionResult
from swarm_worker.execution.validation import (
    BROKEN,
    PROVIDER_WAIT_TOTAL_S,
    VALIDATOR_RUNS,
    ValidatorRuns,
    rejection_reason,
)

LIMITED = FailureClass.PROVIDER_LIMITED


def failed(kind: FailureClass, *, retry_after_s: float | None = None) -> SessionResult:
    failure = Failure(kind, f"{kind} happened", retry_after_s)
    return SessionResult(OutcomeKind.FAILED, None, failure=failure)  # type: ignore[arg-type]


def replied(text: str) -> SessionResult:
    return SessionResult(OutcomeKind.COMPLETED, None, reply=text)  # type: ignore[arg-type]


def run_all(*results: SessionResult) -> ValidatorRuns:
    """Records the results; every one but the last must ask for another run."""
    runs = ValidatorRuns()
    for result in results[:-1]:
        assert runs.record(result) is not None
    assert runs.record(results[-1]) is None
    return runs


@pytest.mark.parametrize("text", ['{"verdict": "PASS"}', '{"verdict": "FAIL"}'])
def test_a_verdict_needs_no_further_run(text: str) -> None:
    assert run_all(replied(text)).failure is None


@pytest.mark.parametrize("kind", [OutcomeKind.STOPPED, OutcomeKind.DECLINED])
def test_a_run_that_an_order_ended_is_not_repeated(kind: OutcomeKind) -> None:
    assert run_all(SessionResult(kind, None)).failure is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kind", [kind for kind in FailureClass if kind not in (LIMITED, FailureClass.PROVIDER_DENIED)]
)
def test_every_failure_is_repeated_alone_and_ends_as_a_failure_of_the_validator(kind: FailureClass) -> None:
    failure = run_all(*[failed(kind)] * VALIDATOR_RUNS).failure

    assert failure is not None
    expected = FailureClass.VALIDATOR_FAILED if kind in BROKEN else FailureClass.NO_VERDICT
    assert (failure.kind, failure.error) == (
        expected, f"the validator gave no verdict in 3 runs: {kind} happened",
    )  # fmt: skip


def test_a_verdict_of_a_later_run_counts() -> None:
    runs = run_all(failed(FailureClass.CRASHED), replied("no verdict"), replied('{"verdict": "PASS"}'))

    assert runs.failure is None


@pytest.mark.parametrize(
    "faults", [(FailureClass.CRASHED, FailureClass.TIMEOUT), (FailureClass.TIMEOUT, FailureClass.CRASHED)]
)
def test_failures_of_several_kinds_do_not_prove_that_the_validator_is_broken(
    faults: tuple[FailureClass, ...],
) -> None:
    failure = run_all(failed(faults[0]), failed(faults[1]), failed(faults[0])).failure

    assert failure is not None
    assert failure.kind is FailureClass.NO_VERDICT


def test_an_unreadable_verdict_says_what_was_found_and_the_last_words() -> None:
    failure = run_all(*[replied('So I say {"verdict": "PASS"} to it')] * VALIDATOR_RUNS).failure

    assert failure is not None
    assert failure.kind is FailureClass.NO_VERDICT
    assert "stands inside other text (at line 1, column 10)" in failure.error
    assert "its last words: So I say" in failure.error


def test_a_validator_that_prints_nothing_is_broken() -> None:
    failure = run_all(*[replied(" \n")] * VALIDATOR_RUNS).failure

    assert failure is not None
    assert (failure.kind, failure.error) == (
        FailureClass.VALIDATOR_FAILED, "the validator gave no verdict in 3 runs: it printed nothing",
    )  # fmt: skip


def test_a_provider_that_denies_is_not_asked_again() -> None:
    failure = run_all(failed(FailureClass.PROVIDER_DENIED)).failure

    assert failure is not None
    assert failure.kind is FailureClass.VALIDATOR_FAILED


def test_a_limited_provider_is_waited_for_as_long_as_it_asks_and_uses_up_no_run() -> None:
    runs = ValidatorRuns()

    waits = [runs.record(failed(LIMITED, retry_after_s=wait_s)) for wait_s in (0.0, 7.0, 3600.0)]

    assert [again.wait_s for again in waits if again] == [0.0, 7.0, 3600.0]
    for _ in range(VALIDATOR_RUNS - 1):
        assert runs.record(failed(FailureClass.CRASHED)) is not None
    assert runs.record(replied('{"verdict": "PASS"}')) is None
    assert runs.failure is None
    assert runs.number == 6


def test_a_limited_provider_that_names_no_time_is_asked_ever_less_often_and_not_forever() -> None:
    runs, waits = ValidatorRuns(), []
    while again := runs.record(failed(LIMITED)):
        waits.append(again.wait_s)

    assert waits[:5] == [30.0, 60.0, 120.0, 240.0, 480.0]
    assert max(waits) == 600.0
    assert sum(waits) <= PROVIDER_WAIT_TOTAL_S
    assert runs.failure is not None
    assert runs.failure.kind is FailureClass.VALIDATOR_FAILED


def test_each_run_has_a_number_of_its_own() -> None:
    runs, numbers = ValidatorRuns(), []
    for result in [failed(FailureClass.CRASHED), failed(LIMITED), replied(""), failed(FailureClass.CRASHED)]:
        numbers.append(runs.number)
        runs.record(result)

    assert numbers == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict(passed=False, summary="it crashes"), "it crashes"),
        (Verdict(passed=False), "it gave no reason"),
    ],
)
def test_a_rejection_has_a_reason(verdict: Verdict, reason: str) -> None:
    assert rejection_reason(verdict) == reason
