"""A fault of the set-up is told from a fault of the task, by a trial."""

from pathlib import Path

import pytest

from swarm_worker.domain.model import Failure, FailureClass
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.execution.trial import failure_after_trial, is_unclear, trial_plan
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.cli_reader import CliReader
from swarm_worker.runners.command_reader import CommandReader
from swarm_worker.runners.envelope import EnvelopeReader
from swarm_worker.runners.evidence_of_work import EvidenceOfWork

ERROR, CONFIG, CRASHED = FailureClass.AGENT_ERROR, FailureClass.BAD_CONFIG, FailureClass.CRASHED
LIMITED, DENIED = FailureClass.PROVIDER_LIMITED, FailureClass.PROVIDER_DENIED


@pytest.mark.parametrize("kind", [ERROR, CONFIG, CRASHED, FailureClass.STALLED, FailureClass.TIMEOUT])
def test_only_a_failure_before_any_model_needs_a_trial(kind: FailureClass) -> None:
    assert is_unclear(Failure(kind, "x"), reached=False)
    assert not is_unclear(Failure(kind, "x"), reached=True)


@pytest.mark.parametrize("kind", [LIMITED, DENIED, FailureClass.BUILDER_BLOCKED])
def test_a_failure_that_names_its_cause_needs_no_trial(kind: FailureClass) -> None:
    assert not is_unclear(Failure(kind, "x"), reached=False)


def test_a_trial_that_fails_alike_blames_the_set_up_and_says_what_to_do() -> None:
    found = failure_after_trial(Failure(ERROR, "No providers"), Failure(ERROR, "No providers"), reached=False)

    assert found.kind is CONFIG
    assert found.error.count("No providers") == 1
    assert "--check --ask" in found.error
    assert "swarmctl resume" in found.error


def test_a_trial_that_fails_otherwise_is_named_too() -> None:
    found = failure_after_trial(Failure(CRASHED, "SIGSEGV"), Failure(ERROR, "no module"), reached=False)

    assert found.kind is CONFIG
    assert "SIGSEGV" in found.error
    assert "(no module)" in found.error


@pytest.mark.parametrize(("trial", "reached"), [(None, True), (None, False), (Failure(ERROR, "late"), True)])
@pytest.mark.parametrize("first", [ERROR, CRASHED, FailureClass.STALLED])
def test_a_trial_that_reaches_a_model_blames_the_task(
    first: FailureClass, trial: Failure | None, *, reached: bool
) -> None:
    failure = Failure(first, "prompt too long")

    assert failure_after_trial(failure, trial, reached=reached) == failure


def test_a_task_whose_call_is_refused_pauses_no_runner_that_works() -> None:
    found = failure_after_trial(Failure(CONFIG, "the agent rejects the worker's call"), None, reached=True)

    assert found.kind is ERROR
    assert "the cause lies in the task" in found.error


@pytest.mark.parametrize("kind", [LIMITED, DENIED])
def test_a_provider_that_the_trial_meets_is_the_cause(kind: FailureClass) -> None:
    trial = Failure(kind, "429", 7.0)

    assert failure_after_trial(Failure(ERROR, "x"), trial, reached=False) is trial


def test_a_trial_expects_a_reply_and_no_file(tmp_path: Path) -> None:
    plan = trial_plan(SessionId("t"), role=Role.BUILDER, project_root=tmp_path, prompt_file=tmp_path / "p")

    assert EvidenceOfWork(plan).failure("READY", asked=True) is None


def event(method: str) -> OutputLine:
    return OutputLine(f'{{"method":"{method}","params":{{"inputTokens":3}}}}')


@pytest.mark.parametrize(
    "method", ["usage", "tool/started", "tool/completed", "result/delta", "thinking/delta"]
)
def test_each_reader_knows_that_a_model_was_reached(tmp_path: Path, method: str) -> None:
    plan = trial_plan(SessionId("t"), role=Role.BUILDER, project_root=tmp_path, prompt_file=tmp_path / "p")
    for reader in (EnvelopeReader(plan), CliReader(plan), CommandReader(Role.BUILDER)):
        reader.stderr(event("result/final"))
        reader.stderr(OutputLine("Traceback"))
        assert not reader.reached_model
        reader.stderr(event(method))
        assert reader.reached_model


def test_a_request_without_an_answer_reaches_no_model(tmp_path: Path) -> None:
    plan = trial_plan(SessionId("t"), role=Role.BUILDER, project_root=tmp_path, prompt_file=tmp_path / "p")
    reader = CliReader(plan)

    reader.progress(OutputLine('{"event": "llm:request", "data": {}}'), tmp_path)
    reader.progress(OutputLine('{"event": "provider:error", "data": {}}'), tmp_path)
    assert not reader.reached_model

    reader.progress(OutputLine('{"event": "llm:response", "data": {}}'), tmp_path)
    assert reader.reached_model
