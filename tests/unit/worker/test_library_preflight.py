"""The preflight of the library: what it proves, what it says about the rest, and one line for each fault."""

import os
from pathlib import Path

import pytest

from support.standins import install_library
from swarm_worker.config import read_config
from swarm_worker.preflight.probe import Probe
from swarm_worker.preflight.selection import create_preflight
from swarm_worker.runners.library import Library, LibraryRunner
from swarm_worker.runners.selection import choose_runner

KEY = "ANTHROPIC_API_KEY"


def probes(folder: Path, **env: str) -> dict[str, Probe]:
    """Returns the probes of the runner by name, for sessions with these variables."""
    python = install_library(folder / "library")
    sessions = {"PATH": os.environ["PATH"], "HOME": str(folder), KEY: "k", **env}
    config = read_config(
        ["--check", "--runner", "amplifier-agent", "--agent-python", str(python)], version="0"
    )
    runner = choose_runner(config, project_root=folder, own=sessions, env=sessions)
    preflight = create_preflight(runner, project_root=folder, own={KEY: "k"}, env=sessions)
    return {probe.name: probe for probe in (make() for make in preflight._runner_probes())}


def test_an_agent_that_was_created_is_not_called_proof_of_the_key(tmp_path: Path) -> None:
    found = probes(tmp_path)

    assert all(probe.ok for probe in found.values())
    assert "not proven: that the provider takes the key" in found["agent"].text
    assert "still can" in found["validators"].text
    assert (tmp_path / ".amplifier-agent" / "swarms").is_dir()


def test_a_key_that_sessions_do_not_get_is_named_with_the_flag(tmp_path: Path) -> None:
    agent = probes(tmp_path, **{KEY: ""})["agent"]

    assert not agent.ok
    assert agent.hint == f"add --pass-env {KEY}"


def test_another_provider_s_key_proves_nothing(tmp_path: Path) -> None:
    agent = probes(tmp_path, AMPLIFIER_AGENT_PROVIDER="openai")["agent"]

    assert not agent.ok
    assert (agent.text, agent.hint) == (
        "engine_unavailable: openai has no credentials",
        "Set OPENAI_API_KEY.",
    )


@pytest.mark.parametrize("home", ["/dev/null", "/proc"])
def test_conversations_need_a_folder(tmp_path: Path, home: str) -> None:
    found = probes(tmp_path, HOME=home)

    assert not found["conversations"].ok
    assert "HOME" in found["conversations"].hint


def test_a_python_that_went_away_is_one_line(tmp_path: Path) -> None:
    library = Library(str(tmp_path / "gone"), "3.12.1", "0.21.0", lists_models=False)
    runner = LibraryRunner(library, configs={}, env={"HOME": str(tmp_path)})
    preflight = create_preflight(runner, project_root=tmp_path, own={}, env={"PATH": "/bin"})

    agent = next(probe for make in preflight._runner_probes() if (probe := make()).name == "agent")

    assert not agent.ok
    assert "can't start it" in agent.line()
    assert "\n" not in agent.line()
