"""Runners start the configured programs, and reject sessions without evidence of work."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.config import WorkerConfig, read_config
from swarm_worker.domain.model import FailureClass, LogKind, SessionLogLine, Task, Usage
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.output.lines import OutputLine
from swarm_worker.preflight.selection import create_preflight
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.command_reader import CommandReader
from swarm_worker.runners.embedded import EmbeddedRunner
from swarm_worker.runners.envelope import EnvelopeReader
from swarm_worker.runners.reader import Report
from swarm_worker.runners.selection import choose_runner

USED = OutputLine('{"method": "usage", "params": {"inputTokens": 10, "outputTokens": 2}}')


def _config(*argv: str) -> WorkerConfig:
    return read_config(["--server", "127.0.0.1:1", *argv], version="0")


def _plan(root: Path, *, role: Role = Role.BUILDER, files: tuple[str, ...] = ()) -> SessionPlan:
    return SessionPlan(SessionId("t-a1-builder-1"), role, Task("t", "{}", files=files), "the prompt", root)


def _envelope(**fields: Any) -> str:
    return json.dumps({"sessionId": "s", "reply": "done", "error": None, **fields})


def _judged(plan: SessionPlan, stdout: str, *, exit_code: int = 0, used: bool = True) -> Report:
    reader = EnvelopeReader(plan)
    if used:
        reader.stderr(USED)
    return reader.report(stdout, exit_code=exit_code)


def test_an_envelope_with_evidence_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "made.py").touch()
    noise = "Bundle 'x' prepared successfully\n"

    report = _judged(_plan(tmp_path, files=("made.py",)), noise + _envelope(reply="done {}"))

    assert report == Report("done {}")


@pytest.mark.parametrize(
    ("stdout", "exit_code", "said"),
    [
        ("", 1, "exited with 1 and left no envelope"),
        ("Aborted!", 1, "left no envelope"),
        ('{"status": "success"}', 0, "left no envelope"),
        (_envelope(), 1, "exited with 1"),
        (_envelope(reply=""), 0, "the reply is empty"),
        (_envelope(reply=None), 0, "the reply is empty"),
        (_envelope(reply="Error: No providers available"), 0, "Error: No providers available"),
    ],
)
def test_d14_a_session_without_evidence_is_an_agent_error(
    tmp_path: Path, stdout: str, exit_code: int, said: str
) -> None:
    report = _judged(_plan(tmp_path), stdout, exit_code=exit_code)

    assert report.failure is not None
    assert report.failure.kind is FailureClass.AGENT_ERROR
    assert said in report.failure.error


def test_an_envelope_without_usage_is_not_work(tmp_path: Path) -> None:
    report = _judged(_plan(tmp_path), _envelope(), used=False)

    assert report.failure is not None
    assert "no model was ever asked" in report.failure.error


def test_declared_files_must_be_there_and_inside(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "outside").touch()
    (root / "here").touch()
    (root / "away").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to("loop")
    files = ("here", "away", "loop", "../outside", "absent", "nul\0")

    report = _judged(_plan(root, files=files), _envelope())

    assert report.failure is not None
    assert report.failure.error.endswith("not there: away, loop, ../outside, absent, nul\0")
    assert _judged(_plan(root, files=files, role=Role.VALIDATOR), _envelope()).failure is None


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("RuntimeError: Execution failed: RateLimitError: 429", FailureClass.PROVIDER_LIMITED),
        ("Execution failed: ProviderUnavailableError: refused", FailureClass.PROVIDER_LIMITED),
        ("Execution failed: LLMTimeoutError: ", FailureClass.PROVIDER_LIMITED),
        ("Execution failed: AuthenticationError: 401", FailureClass.PROVIDER_DENIED),
        ("Execution failed: QuotaExceededError: no", FailureClass.PROVIDER_DENIED),
        ("Execution failed: ContextLengthError: too long", FailureClass.AGENT_ERROR),
        ("ModuleNotFoundError: no module", FailureClass.AGENT_ERROR),
        ("RateLimitError while handling NotFoundError", FailureClass.PROVIDER_LIMITED),
    ],
)
def test_an_envelope_s_error_is_classed_by_its_message(
    tmp_path: Path, message: str, kind: FailureClass
) -> None:
    report = _judged(_plan(tmp_path), _envelope(reply="", error={"code": "internal", "message": message}))

    assert report.failure is not None
    assert report.failure.kind is kind
    assert message in report.failure.error


@pytest.mark.parametrize("error", ["just text", 7, [], {"message": None}])
def test_an_error_of_any_type_is_a_failure(tmp_path: Path, error: object) -> None:
    report = _judged(_plan(tmp_path), _envelope(error=error))

    assert report.failure is not None
    assert report.failure.kind is FailureClass.AGENT_ERROR


def test_the_embedded_runner_keeps_the_prompt_out_of_the_command_line(tmp_path: Path) -> None:
    argv = EmbeddedRunner().argv(_plan(tmp_path))

    assert argv[:5] == (sys.executable, "-P", "-m", "swarm_worker.embedded", "run")
    assert argv[argv.index("--session-id") + 1] == "t-a1-builder-1"
    assert "the prompt" not in argv


def test_a_command_s_builder_succeeds_with_exit_0_and_any_output() -> None:
    assert CommandReader(Role.BUILDER).report("no json at all", exit_code=0).failure is None


def test_a_command_s_failure_contains_its_last_line() -> None:
    reader = CommandReader(Role.BUILDER)
    reader.stdout(OutputLine("working"))
    reader.stderr(OutputLine("fatal: no space left"))
    reader.stderr(OutputLine(""))

    report = reader.report("working\n", exit_code=3)

    assert report.failure is not None
    assert report.failure.kind is FailureClass.AGENT_ERROR
    assert report.failure.error == "the builder's command exited with 3: fatal: no space left"


def test_a_validator_s_rejection_counts_with_any_exit_code_and_its_approval_only_with_0() -> None:
    reader = CommandReader(Role.VALIDATOR)

    assert reader.report('{"verdict": "FAIL"}', exit_code=1).failure is None
    assert reader.report('{"verdict": "PASS"}', exit_code=0).failure is None
    assert reader.report('{"verdict": "PASS"}', exit_code=1).failure is not None


def test_a_command_s_usage_is_counted() -> None:
    reader = CommandReader(Role.BUILDER)

    assert reader.stdout(USED) == (SessionLogLine(LogKind.OUTPUT, USED.text),)
    assert reader.usage == Usage()
    assert reader.stderr(USED) == []
    assert reader.usage == Usage(10, 2)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--runner", "command"], "--runner command needs --builder-command"),
        (["--runner", "command", "--builder-command", "sh -c x"], "needs --validator-command"),
        (["--runner", "command", "--builder-command", "sh 'x"], "can't be split into words"),
        (
            ["--runner", "command", "--builder-command", "no-such-agent x"],
            "'no-such-agent' is not on PATH",
        ),
        (
            ["--runner", "command", "--builder-command", "./agent.sh"],
            "'./agent.sh' is not an executable file, seen from the project root",
        ),
        (["--runner", "amplifier-agent"], "amplifier-agent is not on PATH"),
        (["--runner", "amplifier"], "amplifier is not on PATH"),
    ],
)
def test_a_runner_that_can_not_start_sessions_is_refused_in_one_line(
    tmp_path: Path, argv: list[str], line: str
) -> None:
    with pytest.raises(ProgramExit, match=line) as refused:
        choose_runner(_config(*argv), project_root=tmp_path)

    assert refused.value.code is ExitCode.USAGE
    assert "\n" not in refused.value.line("swarm-worker")


def test_a_command_may_be_a_file_of_the_project(tmp_path: Path) -> None:
    script = tmp_path / "agent.sh"
    script.write_text("#!/bin/sh\n", encoding="ascii")
    script.chmod(0o755)
    config = _config(
        "--runner", "command", "--no-validation", "--builder-command", "./agent.sh 'two words' x"
    )

    runner = choose_runner(config, project_root=tmp_path)

    assert runner.argv(_plan(tmp_path)) == ("./agent.sh", "two words", "x")


def test_without_amplifier_core_a_rehearsing_worker_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(ProgramExit, match="amplifier-core") as refused:
        choose_runner(_config("--runner", "embedded"), project_root=tmp_path)

    assert refused.value.code is ExitCode.USAGE
    assert "pip install 'amplifier-swarm[embedded]'" in refused.value.hint


def test_auto_never_rehearses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    env = {"PATH": str(tmp_path)}

    with pytest.raises(
        ProgramExit, match="neither amplifier-agent nor amplifier is on PATH, and no Python"
    ) as refused:
        choose_runner(_config(), project_root=tmp_path, own=env)

    assert refused.value.code is ExitCode.USAGE
    assert "install Amplifier" in refused.value.hint
    assert "--runner embedded for a rehearsal" in refused.value.hint


def test_a_rehearsal_is_chosen_by_name_and_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())

    runner = choose_runner(_config("--runner", "embedded"), project_root=tmp_path)
    (probe,) = [
        probe
        for probe in create_preflight(runner, project_root=tmp_path, own={}, env={}).report()
        if probe.name == "embedded"
    ]

    assert runner.name == "embedded"
    assert probe.warning
    assert "no model works" in probe.text
