"""Flags, variables and bounds of the worker."""

import dataclasses
import json
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.settings import flag_of, variable_of
from amplifier_swarm.standard_streams import STDOUT, sink
from amplifier_swarm.state_paths import STATE
from swarm_worker.config import WorkerConfig, read_config
from swarm_worker.domain.environment import base_environment, session_variables, task_variables
from swarm_worker.domain.model import Assignment, Task
from swarm_worker.domain.types import LeaseId, Role, SessionId
from swarm_worker.main import run

SERVER = ["--server", "127.0.0.1:7433"]


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves logging alone: the program would configure it for the whole test process."""
    monkeypatch.setattr("amplifier_swarm.logs.configure", lambda style, level, **_: None)


def test_every_setting_has_its_documented_flag_and_variable() -> None:
    fields = {field.name: field for field in dataclasses.fields(WorkerConfig)}

    assert {flag_of(field) for field in fields.values()} == {
        "--server", "--name", "--slots", "--project-root", "--runner", "--builder-agent",
        "--validator-agent", "--no-validation", "--builder-command", "--validator-command",
        "--builder-timeout", "--validator-timeout", "--stall-timeout", "--kill-grace", "--label",
        "--exit-when-done", "--state-dir", "--token-file", "--tls-ca", "--tls-cert", "--tls-key",
        "--log-format", "--log-level", "--pass-env", "--builder-config", "--validator-config", "--bundle",
        "--check", "--containment", "--check-timeout", "--allow-rehearsal", "--prompts", "--accept-prompts",
        "--session-umask", "--drain-deadline", "--workspace", "--repo", "--target", "--session-push", "--keep-failed",
        "--min-free-disk", "--list-workspaces", "--remove-workspaces",
        "--agent-python", "--validator-bundle", "--ask", "--tls-ca-fingerprint", "--exit-when-idle", "--sandbox",
        "--sandbox-bind", "--sandbox-image", "--sandbox-runtime", "--limit-memory", "--limit-cpus", "--limit-pids",
    }  # fmt: skip
    shared = {
        "server": "SWARM_SERVER",
        "token_file": "SWARM_TOKEN_FILE",
        "tls_ca": "SWARM_TLS_CA",
        "tls_ca_fingerprint": "SWARM_TLS_CA_FINGERPRINT",
    }
    for name, field in fields.items():
        assert variable_of("SWARM_WORKER", field) == shared.get(name, f"SWARM_WORKER_{name.upper()}")


def test_the_documented_defaults_hold() -> None:
    config = read_config(SERVER, version="0")

    assert (config.slots, config.runner, config.state_dir) == (1, "auto", STATE / "worker")
    assert (config.builder_timeout, config.validator_timeout, config.stall_timeout) == (3600, 1800, 900)
    assert (config.builder_agent, config.validator_agent) == (
        "foundation:modular-builder",
        "foundation:zen-architect",
    )
    assert (config.kill_grace, config.no_validation, config.exit_when_done) == (5, False, False)


def test_flags_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_SERVER", "10.0.0.1:1")
    monkeypatch.setenv("SWARM_WORKER_SLOTS", "7")
    monkeypatch.setenv("SWARM_WORKER_LABEL", "gpu=a100,zone=b")

    config = read_config(["--slots", "3"], version="0")

    assert (config.server, config.slots) == ("10.0.0.1:1", 3)
    assert config.label == (("gpu", "a100"), ("zone", "b"))


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ([], "--server is missing"),
        ([*SERVER, "--slots", "0"], "--slots '0': must be from 1 to 1024"),
        ([*SERVER, "--slots", "two"], "not a whole number"),
        ([*SERVER, "--name", "a/b"], "--name 'a/b'"),
        ([*SERVER, "--target", "a..b"], "not the name of a branch"),
        ([*SERVER, "--target", "refs/heads/-x"], "not the name of a branch"),
        ([*SERVER, "--label", "gpu"], "expected KEY=VALUE"),
        ([*SERVER, "--sandbox", "docker"], "--sandbox 'docker' is not one of auto, none, bwrap"),
        ([*SERVER, "--sandbox", "container"], "--sandbox container and --sandbox-image go together"),
        ([*SERVER, "--sandbox-image", "i"], "--sandbox container and --sandbox-image go together"),
        ([*SERVER, "--sandbox-bind", "here"], "--sandbox-bind 'here': expected an absolute path"),
        ([*SERVER, "--limit-memory", "4 apples"], "--limit-memory '4 apples': expected a size from 16M"),
        ([*SERVER, "--limit-memory", "1M"], "--limit-memory '1M': expected a size from 16M"),
        ([*SERVER, "--limit-pids", "2"], "--limit-pids '2': must be from 8"),
        ([*SERVER, "--label", "k=\udcff"], "--label k=\\udcff is not valid UTF-8"),
        ([*SERVER, "--runner", "magic"], "--runner 'magic' is not one of"),
        ([*SERVER, "--tls-cert", "c"], "--tls-cert and --tls-key go together"),
        ([*SERVER, "--pass-env", "SWARM_TOKEN"], "not the name of a variable that a session may have"),
        ([*SERVER, "--builder-timeout", "nan"], "must be from 1 to"),
        ([*SERVER, "--nonsense"], "unrecognized arguments: --nonsense"),
        (["--server", "localhost"], "--server 'localhost' is not a HOST:PORT address"),
        ([*SERVER, "--project-root", "/nowhere/at/all"], "--project-root /nowhere/at/all is not a directory"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_2(
    argv: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ProgramExit) as end:
        run(argv)

    assert end.value.code is ExitCode.USAGE
    assert line in end.value.line("swarm-worker")
    assert "\n" not in end.value.line("swarm-worker")
    assert capsys.readouterr() == ("", "")


def test_a_missing_token_is_exit_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWARM_TOKEN", raising=False)

    argv = [*SERVER, "--runner", "command", "--no-validation", "--builder-command", "true"]

    with pytest.raises(ProgramExit, match="can't read the token file absent") as end:
        run([*argv, "--token-file", "absent"])
    assert end.value.code is ExitCode.UNAUTHENTICATED


def test_a_variable_from_a_file_with_other_line_ends_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_WORKER_SLOTS", "3\r")

    assert read_config(SERVER, version="1").slots == 3


def test_version_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--version"])

    assert ended.value.code == 0
    assert sink(STDOUT).flush(10)
    assert capfd.readouterr().out.startswith("swarm-worker ")


def test_a_session_gets_the_allowed_and_the_named_variables() -> None:
    own = {
        "PATH": "/bin", "HOME": "/h", "USER": "u", "LANG": "C", "LC_ALL": "C", "TERM": "t", "TMPDIR": "/t",
        "AMPLIFIER_HOME": "/a", "OPENAI_API_KEY": "k", "SECRET": "s", "SWARM_TOKEN": "t", "PYTHONPATH": "x",
        "SWARM_TOKEN_FILE": "f", "LD_PRELOAD": "y",
    }  # fmt: skip

    assert set(base_environment(own, passed=("OPENAI_API_KEY",))) == {
        "PATH", "HOME", "USER", "LANG", "LC_ALL", "TERM", "TMPDIR", "AMPLIFIER_HOME", "OPENAI_API_KEY",
    }  # fmt: skip


def test_a_session_gets_its_role_and_never_its_lease() -> None:
    assignment = Assignment(Task("t", "{}"), LeaseId("secret"), 3, 1)
    variables = {
        **task_variables(assignment, project_root=Path("/p")),
        **session_variables(SessionId("s"), role=Role.BUILDER, prompt_file=Path("/a"), task_file=Path("/b")),
    }

    assert variables == {
        "SWARM_TASK_ID": "t",
        "SWARM_ATTEMPT": "3",
        "SWARM_ROLE": "builder",
        "SWARM_SESSION_ID": "s",
        "SWARM_PROMPT_FILE": "/a",
        "SWARM_TASK_FILE": "/b",
        "SWARM_PROJECT_ROOT": "/p",
    }
    assert "secret" not in json.dumps(variables)


def test_a_bad_setting_raises_before_any_change() -> None:
    with pytest.raises(ProgramExit, match="--kill-grace"):
        read_config([*SERVER, "--kill-grace", "-1"], version="0")


@pytest.mark.parametrize("mask", ["8", "0o22", "-1", "01000", "1777", "", "u=rwx"])
def test_a_umask_that_is_not_octal_is_refused_with_its_value(mask: str) -> None:
    with pytest.raises(ProgramExit, match="expected an octal number from 000 to 777, such as 022"):
        read_config(["--server", "h:1", "--session-umask", mask], version="1")


def test_a_umask_is_octal_and_has_a_default() -> None:
    assert read_config(["--server", "h:1"], version="1").session_umask == "022"
    assert read_config(["--server", "h:1", "--session-umask", "0002"], version="1").session_umask == "0002"


def test_a_model_is_asked_only_by_a_check() -> None:
    assert read_config(["--check", "--ask"], version="1").ask
    with pytest.raises(ProgramExit, match="--ask goes with --check"):
        read_config(["--server", "h:1", "--ask"], version="1")


def test_without_validation_only_builders_are_started() -> None:
    assert read_config(["--check"], version="1").roles == (Role.BUILDER, Role.VALIDATOR)
    assert read_config(["--check", "--no-validation"], version="1").roles == (Role.BUILDER,)
