"""Findings keep their ids as long as they are reported again."""

from swarm_worker.domain.finding_ids import with_ids
from swarm_worker.domain.model import Assignment, Finding, Task
from swarm_worker.domain.types import LeaseId

OLD = (
    Finding("a1f1", "a.py", "No test for  the empty list", "critical"),
    Finding("a1f2", "", "the check `pytest` exited with 1:\n1 failed in 0.12s", "critical"),
)


def _names(*found: Finding, attempt: int = 2, old: tuple[Finding, ...] = OLD) -> list[str]:
    assignment = Assignment(Task("t", "{}"), LeaseId("lease"), attempt, 1, old)
    return [finding.finding_id for finding in with_ids(found, assignment)]


def test_the_id_of_a_new_finding_is_made_of_attempt_and_number() -> None:
    found = (Finding("", "a.py", "slow", ""), Finding("", "b.py", "ugly", ""))

    assert _names(*found) == ["a2f1", "a2f2"]
    assert _names(*found, attempt=1, old=()) == ["a1f1", "a1f2"]


def test_a_finding_that_is_reported_again_keeps_its_id() -> None:
    assert _names(Finding("a1f1", "x.py", "said in other words", "")) == ["a1f1"]
    assert _names(Finding("", "a.py", "no test for the EMPTY list", "minor")) == ["a1f1"]
    assert _names(Finding("f7", "", "new", ""), Finding("", "a.py", "No test for the empty list", "")) == [
        "a2f1",
        "a1f1",
    ]


def test_the_duration_of_a_check_does_not_change_its_finding_s_id() -> None:
    issue = "the check `pytest` exited with 1:\n{} failed in 3.4s"

    assert _names(Finding("", "", issue.format(1), "critical")) == ["a1f2"]
    assert _names(Finding("", "", issue.format(2), "critical")) == ["a2f1"]


def test_the_same_words_about_another_file_are_another_finding() -> None:
    assert _names(Finding("", "b.py", "No test for the empty list", "")) == ["a2f1"]


def test_no_two_findings_share_an_id() -> None:
    twice = Finding("a1f1", "a.py", "No test for the empty list", "")

    assert _names(twice, twice, Finding("a9f9", "", "made up", "")) == ["a1f1", "a2f1", "a2f2"]
