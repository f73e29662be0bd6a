"""The check finds what makes every session fail, without a request to a model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.library_child import LibraryChild
from swarm_worker.runners.library import PROGRAM


def config(child: LibraryChild, text: str) -> tuple[str, str]:
    path = child.folder / "config.json"
    path.write_text(text)
    return ("--config", str(path))


def test_a_library_is_described_by_its_fields(child: LibraryChild) -> None:
    about = child.answer("about")

    assert about["version"] == "0.21.0"
    assert {"sessions_directory", "working_directory"} <= set(about["fields"])
    assert about["listsModels"] is False


def test_a_library_without_the_needed_fields_is_refused(child: LibraryChild) -> None:
    child.env = {"AMPLIFIER_STANDIN_LIBRARY": "0.20"}

    assert "has no sessions_directory" in child.answer("about")["fault"]["message"]
    error = child.run().envelope["error"]
    assert error["code"] == "library_missing"


def test_a_python_without_the_library_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(PROGRAM), "about"], capture_output=True, check=True, env={}, timeout=60
    )

    assert "No module named 'amplifier_agent'" in json.loads(done.stdout)["fault"]["message"]


def test_an_agent_is_created_and_closed(child: LibraryChild) -> None:
    found = child.answer("check")

    assert "fault" not in found
    assert "models" not in found, "0.21 can't list models"


@pytest.mark.parametrize(
    ("env", "text", "code", "said"),
    [
        ({"ANTHROPIC_API_KEY": ""}, "{}", "engine_unavailable", "anthropic has no credentials"),
        ({}, '{"provider": "openai"}', "engine_unavailable", "openai has no credentials"),
        ({}, '{"provider": "nobody"}', "selector_rejected", "unknown provider nobody"),
        ({}, '{"provider": {"module": "anthropic"}, "debug": true}', "invalid_input", "unknown key 'debug'"),
        ({}, "{", "invalid_input", "can't be read"),
    ],
)
def test_a_configuration_that_creates_no_agent_is_found(
    child: LibraryChild, env: dict[str, str], text: str, code: str, said: str
) -> None:
    child.env = env

    fault = child.answer("check", *config(child, text))["fault"]

    assert fault["code"] == code
    assert said in fault["message"]


def test_a_newer_library_is_asked_for_its_models(child: LibraryChild) -> None:
    child.env = {"AMPLIFIER_STANDIN_LIBRARY": "0.22"}
    named = config(child, '{"provider": "anthropic"}')

    assert child.answer("check", *named)["models"] == 2

    child.env |= {"ANTHROPIC_API_KEY": "refused"}
    assert "rejected its credentials" in child.answer("check", *named)["fault"]["message"]


def test_variables_that_the_library_refuses_are_removed(child: LibraryChild) -> None:
    child.env = {f"AMPLIFIER_AGENT_{name}": "x" for name in ("BIN", "HOME", "PYTHON", "WORKSPACE", "STORAGE")}
    child.env["AMPLIFIER_AGENT_REASONING_EFFORT"] = "high"

    assert "fault" not in child.answer("check")


def test_a_module_beside_the_program_hides_none_of_the_library(tmp_path: Path) -> None:
    """The work folder and the program's own folder are not on the module path."""
    (tmp_path / "json.py").write_text("raise RuntimeError('the project was imported')")

    done = subprocess.run(
        [sys.executable, str(PROGRAM), "about"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
    )

    assert b"the project was imported" not in done.stdout + done.stderr
