"""A check that can't start is a fault of the plan, unless a builder can make its program."""

import os
import subprocess
from pathlib import Path

import pytest

from swarm_worker.domain.model import CheckResult
from swarm_worker.execution.check_start import SHELL, CheckPlace, start_fault

# Long after every file that a test makes.
AFTER_S = 4e9
PLAN_S_FAULTS = {
    "a prompt's prefix": "bash: ls",
    "an unknown program": "pytset -q",
    "after another command": "cd / && pytset -q",
    "in a shell of its own": "sh -c 'pytset -q'",
    "without its message": "pytset -q 2>/dev/null",
    "under another program": "timeout 5 pytset -q",
    "in another environment": "env CI=1 pytset -q",
    "after an assignment": "CI=1 pytset -q 2>/dev/null",
    "a path outside of the project": "/opt/nowhere/pytest -q",
    "a path with a variable": "$HOME/nowhere/pytest -q",
    "a folder": "./folder",
    "a file that nobody may execute": "./plain.sh",
    "an interpreter that is not there": "./no-interpreter.sh",
}
BUILDER_S_MATTERS = {
    "a script that is missing": "./made.sh",
    "a script without a dot": "scripts/made.sh --fast",
    "a tool of the project": ".venv/bin/pytest -q",
    "a script of the project, absolute": "{root}/made.sh",
    "a declared script that nobody may execute": "./declared.sh",
    "a program that a script misses": "./runs-missing.sh",
    "a line number that is also a word": "./runs-missing.sh 1 2",
    "a shell of a script": "./runs-shell.sh 1 -c",
    "an ordinary failure": "exit 1",
    "a script that exits so itself": "exit 127",
    "nothing found by a test": "cd nowhere",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    for name, text, mode in (
        ("plain.sh", "#!/bin/sh\n", 0o644),
        ("declared.sh", "#!/bin/sh\n", 0o644),
        ("no-interpreter.sh", "#!/opt/nowhere/python\n", 0o755),
        ("runs-missing.sh", "#!/bin/sh\njest --ci\n", 0o755),
        ("runs-shell.sh", "#!/bin/sh\nexec /bin/sh -c 'jest --ci'\n", 0o755),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    return tmp_path


def check(root: Path, command: str, *, since_s: float = AFTER_S) -> str:
    """Runs the command as the worker does, and returns its start fault."""
    env = {"PATH": os.defpath, "HOME": str(root.parent / "home")}
    done = subprocess.run(
        [SHELL, "-c", command],
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    result = CheckResult(command, done.returncode, done.stdout, 0.0)
    return start_fault(result, CheckPlace(root, ("./declared.sh",), os.defpath, since_s))


@pytest.mark.parametrize("command", PLAN_S_FAULTS.values(), ids=PLAN_S_FAULTS.keys())
def test_a_command_that_no_builder_can_make_start_is_a_fault_of_the_plan(root: Path, command: str) -> None:
    assert check(root, command)


@pytest.mark.parametrize("command", BUILDER_S_MATTERS.values(), ids=BUILDER_S_MATTERS.keys())
def test_a_command_that_a_builder_can_make_start_is_a_failed_check(root: Path, command: str) -> None:
    assert check(root, command.format(root=root)) == ""


@pytest.mark.skipif(
    subprocess.run([SHELL, "-c", "[[ -f /etc/passwd ]]"], stderr=subprocess.DEVNULL, check=False).returncode
    == 0,
    reason="here /bin/sh is bash",
)
@pytest.mark.parametrize("command", ["[[ -f a.txt ]]", "source .venv/bin/activate && true"])
def test_the_grammar_of_another_shell_is_a_fault_of_the_plan(root: Path, command: str) -> None:
    assert "not found" in check(root, command)


def test_a_script_that_this_builder_made_badly_is_its_own_matter(root: Path) -> None:
    assert check(root, "./plain.sh", since_s=(root / "plain.sh").stat().st_ctime) == ""


def test_the_shell_s_complaint_is_passed_on(root: Path) -> None:
    assert "bash:" in check(root, "bash: ls")
    assert "finds no program 'pytset' on PATH" in check(root, "pytset 2>/dev/null")
