"""The runner over the library: how it is found, its command line, and the class of each failure."""

from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.amplifier import library_python
from amplifier_swarm.exits import ProgramExit
from support.standins import install, install_library
from swarm_worker.config import read_config
from swarm_worker.domain.model import FailureClass, Task
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.runners.agent import AgentRunner
from swarm_worker.runners.base import Runner, SessionPlan
from swarm_worker.runners.library import PROGRAM, Library, LibraryRunner, read_library
from swarm_worker.runners.library_failures import library_failure
from swarm_worker.runners.selection import choose_runner

LIBRARY = Library("/v/bin/python", "3.12.1", "0.21.0", lists_models=False)
FAILED = "The provider request failed."


def plan(root: Path, role: Role = Role.BUILDER, *, resumed: bool = False) -> SessionPlan:
    name = SessionId(f"t-a1-{role}-1")
    return SessionPlan(name, role, Task("t", "{}"), "-do it", root, root / "p.md", "0123456789ab", resumed)


def choose(env: dict[str, str], root: Path, *flags: str) -> Runner:
    config = read_config(["--check", *flags], version="0")
    return choose_runner(config, project_root=root, own=env, env=env)


def tool_environment(folder: Path, python: Path) -> None:
    """Makes what `uv tool install` leaves of a package that brings the library."""
    for name in ("amplifier_agent", "amplifier_agent_engine"):
        (folder / "lib" / "python3.12" / "site-packages" / name).mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(python)


def test_a_turn_is_our_program_under_the_library_s_python_with_the_prompt_on_stdin(tmp_path: Path) -> None:
    configs = {Role.VALIDATOR: Path("/v.json")}
    runner = LibraryRunner(LIBRARY, configs=configs, env={"HOME": "/h"})

    assert list(runner.argv(plan(tmp_path))) == [
        "/v/bin/python", str(PROGRAM), "run", "--session-id", "t-a1-builder-1", "--fresh", "--role", "builder",
        "--cwd", str(tmp_path), "--sessions", "/h/.amplifier-agent/swarms/0123456789ab",
    ]  # fmt: skip
    validator = list(runner.argv(plan(tmp_path, Role.VALIDATOR, resumed=True)))
    assert validator[validator.index("--config") + 1] == "/v.json"
    assert "--resume" in validator
    assert runner.stdin(plan(tmp_path)) == b"-do it"


def test_a_named_python_comes_before_the_program(tmp_path: Path) -> None:
    programs, python = install(tmp_path / "bin"), install_library(tmp_path / "library")
    env = {"PATH": f"{programs}:/bin", "HOME": str(tmp_path)}

    by_flag = choose(env, tmp_path, "--runner", "amplifier-agent", "--agent-python", str(python))
    by_variable = choose(env | {"AMPLIFIER_AGENT_PYTHON": str(python)}, tmp_path)

    for runner in (by_flag, by_variable):
        assert isinstance(runner, LibraryRunner)
        assert (runner.library.python, runner.library.version) == (str(python), "0.21.0")


def test_the_program_is_driven_where_no_library_is_known(tmp_path: Path) -> None:
    env = {"PATH": f"{install(tmp_path / 'bin')}:/bin", "HOME": str(tmp_path)}

    assert isinstance(choose(env, tmp_path), AgentRunner)


@pytest.mark.parametrize("where", ["uv tool", "beside the face"])
def test_the_environment_of_a_tool_is_found(tmp_path: Path, where: str) -> None:
    home = tmp_path / "tools" / "amplifier-agent-http"
    tool_environment(home, install_library(tmp_path / "library"))
    env = {"PATH": f"{tmp_path / 'bin'}:/bin", "HOME": str(tmp_path)}
    if where == "uv tool":
        env["UV_TOOL_DIR"] = str(tmp_path / "tools")
    else:
        face = home / "bin" / "amplifier-agent-face"
        face.touch(mode=0o755)
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "amplifier-agent-face").symlink_to(face)

    found = library_python(env, env)

    assert found is not None
    assert (found.path, found.is_named) == (str(home / "bin" / "python"), False)
    assert isinstance(choose(env, tmp_path), LibraryRunner)


def test_the_environment_of_the_older_program_is_no_library(tmp_path: Path) -> None:
    package = (
        tmp_path / "tools" / "amplifier-agent" / "lib" / "python3.12" / "site-packages" / "amplifier_agent"
    )
    package.mkdir(parents=True)
    env = {"UV_TOOL_DIR": str(tmp_path / "tools"), "PATH": "/bin", "HOME": str(tmp_path)}

    assert library_python(env, env) is None


def test_a_found_library_that_is_too_old_gives_way_to_the_program(tmp_path: Path) -> None:
    tool_environment(tmp_path / "tools" / "amplifier-agent", install_library(tmp_path / "library"))
    env = {"UV_TOOL_DIR": str(tmp_path / "tools"), "HOME": str(tmp_path), "AMPLIFIER_STANDIN_LIBRARY": "0.20"}

    with pytest.raises(ProgramExit, match="has no sessions_directory") as refused:
        choose(env | {"PATH": "/bin"}, tmp_path)
    assert "--agent-python" in str(refused.value.hint)
    assert isinstance(choose(env | {"PATH": f"{install(tmp_path / 'bin')}:/bin"}, tmp_path), AgentRunner)


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("/nowhere/python", "can't start it"),
        ("/bin/true", "it gave no answer: it printed nothing"),
        ("/usr/bin/env", "gave no answer"),
    ],
)
def test_a_python_that_can_t_run_the_library_stops_the_worker_in_one_line(
    tmp_path: Path, python: str, said: str
) -> None:
    install(tmp_path / "bin")
    env = {"PATH": f"{tmp_path / 'bin'}:/bin", "HOME": str(tmp_path)}

    with pytest.raises(ProgramExit, match=said) as refused:
        choose(env, tmp_path, "--agent-python", python)

    assert "\n" not in refused.value.message
    assert "uv venv" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"python": "3.9.18", "missing": "Python 3.9.18 is too old"},
            "needs Python 3.12 or newer, and this is 3.9",
        ),
        (
            {"python": "3.11.7", "fault": {"message": "No module named x"}},
            "^No module named x; the library needs",
        ),
        ({"python": "3.12.1", "fault": {"message": "No module named x"}}, "^No module named x$"),
    ],
)
def test_a_python_that_is_too_old_is_named_as_the_reason(answer: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_library("/bin/python", answer)


def error(code: str, **fields: Any) -> dict[str, Any]:
    return {"code": code, "message": FAILED, "remediation": "Look.", "answered": True, **fields}


@pytest.mark.parametrize(
    ("found", "kind", "said"),
    [
        (error("provider_failed", retryable=True), "provider_limited", FAILED.rstrip(".")),
        (error("provider_failed", retryable=True, answered=False), "provider_limited", "provider_failed"),
        (error("provider_failed", answered=False), "provider_denied", "swarmctl resume"),
        (error("provider_failed"), "agent_error", "provider_failed"),
        (error("provider_failed", lastLog='OpenAI API error: {"code": 401}'), "provider_denied", "401"),
        (
            error("provider_failed", lastLog="Error code: 429 - insufficient_quota"),
            "provider_denied",
            "quota",
        ),
        (error("provider_failed", details={"tool": "x"}), "agent_error", "tool x"),
        (error("engine_unavailable", answered=False), "provider_denied", "Look; mend that"),
        (error("selector_rejected", details={"model": "m-2026"}), "provider_denied", "model m-2026"),
        (error("invalid_input", answered=False), "bad_config", "invalid_input"),
        (error("invalid_input"), "agent_error", "invalid_input"),
        (error("contract_version_mismatch", answered=False), "bad_config", ""),
        (error("context_exceeded", answered=False), "agent_error", ""),
        (error("internal_failed"), "crashed", ""),
        (error("internal_failed", answered=False), "bad_config", "internal_failed"),
        (error("session_in_use", answered=False), "crashed", ""),
        (error("library_missing", answered=False), "bad_config", ""),
        (error("a_code_of_a_later_version"), "agent_error", "a_code_of_a_later_version"),
        ({"message": "no code"}, "bad_config", ""),
    ],
)
def test_an_error_of_the_library_has_the_class_that_costs_the_right_budget(
    found: dict[str, Any], kind: str, said: str
) -> None:
    failure = library_failure(found)

    assert failure.kind == FailureClass(kind)
    assert said in failure.error


def test_the_wait_that_a_provider_asks_for_is_in_its_log() -> None:
    limited = library_failure(error("provider_failed", retryable=True, lastLog="429: retry after 12s"))

    assert limited.retry_after_s == 12


def test_no_session_of_the_library_is_known_to_have_an_agent(tmp_path: Path) -> None:
    assert not LibraryRunner(LIBRARY, configs={}, env={"HOME": "/h"}).offers_agent(
        "foundation:zen-architect", tmp_path
    )
