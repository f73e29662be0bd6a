"""Which failures are one fault, and what an outcome says about its runner."""

import pytest

from swarmd.domain.breaker import cooldown_s, fingerprint, signs_of
from swarmd.domain.decision import Decision
from swarmd.domain.landing import StartPoint
from swarmd.domain.lifecycle import Transition
from swarmd.domain.model import AttemptOutcome, FailureClass, Outcome, OutcomeKind, SessionRole


def decided(failure: FailureClass | None, error: str = "", *, ended: str = "failed") -> Decision:
    return Decision(AttemptOutcome(ended), Transition.RETRY, failure_class=failure, error=error)


def outcome(report: str = "{}", *, passed: bool | None = None) -> Outcome:
    return Outcome(OutcomeKind.FAILED, None, "", report, b"", verdict_passed=passed)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("error: no model at /run/t1/a (session s9af3)", "error: no model at /run/t2/b (session s77e0)"),
        ("t1: exit 3 after 12.5 s", "t2: exit 3 after 1,234 s"),
        (
            "Traceback\n  line 7\nKeyError: 'x' at 2026-11-30T23:59:01Z",
            "KeyError: 'x' at 2026-12-01T01:02:03Z",
        ),
        (r"can't open C:\work\t1\x.txt", r"can't open D:\t2.txt"),
        (
            "\x1b[31mFehler:\x1b[0m Datei t1 nicht gefunden, 3 Versuche",
            "Fehler: Datei T2 nicht gefunden, 14 Versuche",
        ),
        ("错误:任务 17 没有模型", "错误:任务 203 没有模型"),
        ("", "\n\n"),
    ],
)
def test_what_differs_from_task_to_task_is_no_part_of_a_fingerprint(first: str, second: str) -> None:
    assert fingerprint(first, "t1") == fingerprint(second, "t2")


@pytest.mark.parametrize(
    ("first", "second"),
    [("no such model", "no such key"), ("first\nlast", "last\nfirst"), ("build failed", "build ended")],
)
def test_other_words_are_another_fault(first: str, second: str) -> None:
    assert fingerprint(first, "t") != fingerprint(second, "t")


def test_a_task_id_is_cut_as_a_word_and_not_inside_of_one() -> None:
    assert "testing" in fingerprint("testing of test is over", "test")
    assert fingerprint("a.b failed", "a.b") == fingerprint("x+y failed", "x+y")


def test_a_long_line_gives_a_bounded_fingerprint() -> None:
    assert len(fingerprint("ab " * 100_000, "t")) == 300


@pytest.mark.parametrize(
    ("failure", "role"),
    [
        (FailureClass.AGENT_ERROR, "builder"),
        (FailureClass.BAD_CHECK, "builder"),
        (FailureClass.BAD_CONFIG, "builder"),
        (FailureClass.NO_VERDICT, "validator"),
        (FailureClass.VALIDATOR_FAILED, "validator"),
    ],
)
def test_a_failure_of_the_set_up_is_a_fault_of_a_role(failure: FailureClass, role: str) -> None:
    found = signs_of("t", outcome(), decided(failure, "no"), starts_at=StartPoint.BUILDER).fault

    assert found is not None
    assert (found.role, found.failure_class) == (role, failure)


@pytest.mark.parametrize(
    ("failure", "report", "worked"),
    [
        (FailureClass.VALIDATION_FAILED, "{}", {"builder", "validator"}),
        (FailureClass.VALIDATION_FAILED, '{"checks": [{"exit_code": 1}]}', {"builder"}),
        (FailureClass.BUILDER_BLOCKED, "{}", {"builder"}),
        (FailureClass.LANDING_CONFLICT, "{}", {"builder"}),
        (FailureClass.PROVIDER_LIMITED, "{}", set()),
        (FailureClass.WORKER_LOST, "{}", set()),
        (FailureClass.RESOURCE_EXHAUSTED, "{}", set()),
    ],
)
def test_other_failures_say_which_roles_work(failure: FailureClass, report: str, worked: set[str]) -> None:
    found = signs_of("t", outcome(report), decided(failure, "no"), starts_at=StartPoint.BUILDER)

    assert (found.fault, set(found.worked)) == (None, worked)


def test_work_that_lands_without_a_session_says_nothing() -> None:
    completed = decided(None, ended="completed")

    assert not signs_of("t", outcome(), completed, starts_at=StartPoint.LANDING).worked
    assert signs_of("t", outcome(), completed, starts_at=StartPoint.BUILDER).worked == {SessionRole.BUILDER}
    assert signs_of("t", outcome(passed=True), completed, starts_at=StartPoint.BUILDER).worked == set(
        SessionRole
    )


def test_a_cool_down_doubles_to_an_hour_and_is_none_where_a_person_has_to_mend_something() -> None:
    waits = [cooldown_s(FailureClass.AGENT_ERROR, first_s=300.0, failed_probes=n) for n in range(6)]

    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    assert cooldown_s(FailureClass.BAD_CONFIG, first_s=300.0, failed_probes=0) == 0
