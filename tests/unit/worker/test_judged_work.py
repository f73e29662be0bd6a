"""The files of a task are compared before and after a validator, whatever a builder calls them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from swarm_worker.domain.model import BuilderResult, Failure, FailureClass, Outcome, OutcomeKind, Verdict
from swarm_worker.execution.judged_work import JUDGEMENTS, NAMES_SHOWN, JudgedWork, judged_paths
from swarm_worker.workspace.git import ProgramEnd

PASSED = Outcome(OutcomeKind.COMPLETED, verdict=Verdict(passed=True, summary="fine"))


async def no_program(
    argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float, stdout: Callable[[bytes], None]
) -> ProgramEnd:
    raise AssertionError(f"a folder without a repository needs no {argv[0]}")


async def judged(root: Path, *names: str, writes: Callable[[], object]) -> JudgedWork:
    """Returns the work after a validator that writes."""
    work = JudgedWork(root, names, no_program)
    await work.record_before_checks()
    await work.record_before_validator()
    writes()
    await work.compare_after_validator()
    return work


def test_what_is_judged_is_declared_or_reported_inside_the_project() -> None:
    claimed = BuilderResult(files_created=("b", "../c", "/etc/d", "a"), files_modified=("e/../../f",))

    assert judged_paths(("a", "x/"), claimed) == ("a", "x/", "b")
    assert judged_paths(("a",), None) == ("a",)


@pytest.mark.parametrize("name", ["n" * 5_000, "a\0b", "loop", ""])
async def test_a_name_that_no_file_has_is_compared_like_an_absent_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")

    work = await judged(tmp_path, name, writes=lambda: None)

    assert not work.must_judge_again
    assert work.outcome(PASSED) == PASSED


@pytest.mark.parametrize("change", ["create", "change", "remove"])
async def test_each_kind_of_change_makes_a_pass_none(tmp_path: Path, change: str) -> None:
    file = tmp_path / "a"
    if change != "create":
        file.write_text("built")

    work = await judged(
        tmp_path, "a", writes=file.unlink if change == "remove" else lambda: file.write_text("x")
    )

    assert work.must_judge_again


async def test_a_file_that_is_written_with_its_own_content_has_not_changed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("built")

    work = await judged(tmp_path, "a", writes=lambda: (tmp_path / "a").write_text("built"))

    assert not work.must_judge_again


async def test_the_last_judgement_that_writes_is_no_verdict_and_names_a_bounded_number_of_files(
    tmp_path: Path,
) -> None:
    names = [f"f{number}" for number in range(NAMES_SHOWN + 2)]
    work = JudgedWork(tmp_path, names, no_program)
    for run in range(JUDGEMENTS):
        await work.record_before_checks()
        await work.record_before_validator()
        for name in names:
            (tmp_path / name).write_text(str(run))
        await work.compare_after_validator()
        assert work.must_judge_again == (run + 1 < JUDGEMENTS)

    outcome = work.outcome(PASSED)

    assert outcome.failure is not None
    assert outcome.failure.kind is FailureClass.NO_VERDICT
    assert outcome.verdict is None
    assert "f9 and 2 more" in outcome.failure.error


async def test_an_outcome_without_a_verdict_is_left_as_it_is(tmp_path: Path) -> None:
    work = await judged(tmp_path, "a", writes=lambda: (tmp_path / "a").write_text("x"))

    assert work.outcome(Outcome(OutcomeKind.STOPPED)) == Outcome(OutcomeKind.STOPPED)
    failed = work.outcome(Outcome(OutcomeKind.FAILED, failure=Failure(FailureClass.NO_VERDICT, "none")))
    assert failed.failure is not None
    assert failed.failure.error.startswith("none; files of the task changed")
