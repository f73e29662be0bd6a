"""A check that can't start is a fault of the plan, unless a builder can make its program."""

import os
import subprocess
from pathlib import Path

import pytest

from swarm_worker.domain.model import CheckResult
from swarm_worker.execution.check_start import SHELL, CheckPlace, grammar_fault, start_fault

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
    "a PATH outside of the project": "PATH=/opt/nowhere/bin:$PATH pytset -q",
    "a PATH in the home folder": 'export PATH="$HOME/bin:$PATH"; pytset -q',
    "a sourced file outside of the project": ". /dev/null && pytset -q",
    "a dot that is an argument": "pytset . folder",
    "a path outside of the project by a variable": "$PWD/../nowhere/pytest -q",
    "a path outside of the project after cd": "cd folder && ../../made.sh",
    "a file of the project that nobody may execute": "cd folder && ../plain.sh",
    "a word of another shell after a PATH": "PATH=bin:$PATH; shopt -s nullglob",
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
    "a tool of an environment": ". bin/activate && mytool",
    "a tool of an environment, silently": "PATH=node_modules/.bin:$PATH myeslint . 2>/dev/null",
    "an environment in a shell of its own": "sh -c '. ./bin/activate && mytool'",
    "a PATH for one command": "PATH=node_modules/.bin:$PATH myeslint .",
    "an exported PATH": 'export PATH="$PWD/bin:$PATH"; mytool --version',
    "a PATH with the project's absolute path": "env PATH={root}/bin:/bin:/usr/bin mytool",
    "a PATH after cd": "cd folder && PATH=../bin:$PATH mytool",
    "a path with the project's variable": "$PWD/tools/check.sh",
    "a path with the variable of the task": '"$SWARM_PROJECT_ROOT/tools/check2.sh"',
    "a path with the variable in braces": "${{SWARM_PROJECT_ROOT}}/tools/check2.sh",
    "a path after cd": "cd folder && ../scripts/x.sh",
    "a declared path after cd": "cd folder && ../declared.sh",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "bin").mkdir()
    for name, text, mode in (
        ("plain.sh", "#!/bin/sh\n", 0o644),
        ("declared.sh", "#!/bin/sh\n", 0o644),
        ("bin/activate", "PATH=$PWD/bin:$PATH\n", 0o644),
        ("library.sh", "set -o pipefail\n", 0o644),
        ("no-interpreter.sh", "#!/opt/nowhere/python\n", 0o755),
        ("runs-missing.sh", "#!/bin/sh\njest --ci\n", 0o755),
        ("runs-shell.sh", "#!/bin/sh\nexec /bin/sh -c 'jest --ci'\n", 0o755),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    return tmp_path


def check(root: Path, command: str, *, since_s: float = AFTER_S) -> str:
    """Runs the command as the worker does, and returns its start fault."""
    place = CheckPlace(root, ("./declared.sh",), os.defpath, since_s)
    return start_fault(run(root, command), place)


def run(root: Path, command: str) -> CheckResult:
    home = str(root.parent / "home")
    env = {"PATH": os.defpath, "HOME": home, "SWARM_PROJECT_ROOT": str(root)}
    done = subprocess.run(
        [SHELL, "-c", command],
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return CheckResult(command, done.returncode, done.stdout, 0.0)


@pytest.mark.parametrize("command", PLAN_S_FAULTS.values(), ids=PLAN_S_FAULTS.keys())
def test_a_command_that_no_builder_can_make_start_is_a_fault_of_the_plan(root: Path, command: str) -> None:
    assert check(root, command)


@pytest.mark.parametrize("command", BUILDER_S_MATTERS.values(), ids=BUILDER_S_MATTERS.keys())
def test_a_command_that_a_builder_can_make_start_is_a_failed_check(root: Path, command: str) -> None:
    assert check(root, command.format(root=root)) == ""


NEEDS_A_PLAIN_SHELL = pytest.mark.skipif(
    subprocess.run([SHELL, "-c", "[[ -f /etc/passwd ]]"], stderr=subprocess.DEVNULL, check=False).returncode
    == 0,
    reason="here /bin/sh is bash",
)


@NEEDS_A_PLAIN_SHELL
@pytest.mark.parametrize("command", ["[[ -f a.txt ]]", "source .venv/bin/activate && true"])
def test_the_grammar_of_another_shell_is_a_fault_of_the_plan(root: Path, command: str) -> None:
    assert "not found" in check(root, command)


def test_a_script_that_this_builder_made_badly_is_its_own_matter(root: Path) -> None:
    assert check(root, "./plain.sh", since_s=(root / "plain.sh").stat().st_ctime) == ""


def test_the_shell_s_complaint_is_passed_on(root: Path) -> None:
    assert "bash:" in check(root, "bash: ls")
    assert "finds no program 'pytset' on PATH" in check(root, "pytset 2>/dev/null")


FOREIGN_GRAMMAR = (
    "set -euo pipefail; true",
    "set -o pipefail",
    "set -E; true",
    "x=a; echo ${x//a/b}",
    "x=a; echo ${x^^}",
    "x=abc; echo ${x:0:1}",
    "echo ${!x}",
    "[ a == a ]",
    "test a == a && echo yes",
    '[ "$(echo a; echo b)" == "c" ]',
)
OTHER_COMPLAINTS = (
    "exit 2",
    "cd nowhere",
    ". ./nowhere.sh",
    ". ./library.sh",
    "cat < nowhere.txt",
    "[ $(echo a b) = a ]",
    '[ "$(cat nowhere.txt)" -eq 1 ]',
    "[ $(echo a b) = a ] && python -c 'assert 1 == 1'",
    '[ "$CI" == 1 ] && echo ci; echo "1 error"; exit 2',
    "echo '/bin/sh: 1: Bad substitution'; exit 2",
    "echo '/bin/sh: 1: set: Illegal option -o pipefail'; exit 2 # set",
    "[ a == a ] || exit 1",
)


@NEEDS_A_PLAIN_SHELL
@pytest.mark.parametrize("command", FOREIGN_GRAMMAR)
def test_what_the_shell_understands_only_when_it_runs_is_a_fault_of_the_plan(
    root: Path, command: str
) -> None:
    result = run(root, command)
    fault = grammar_fault(result)
    # Some shells know some of these, and then nothing is wrong.
    assert fault.startswith(f"{SHELL}: ") if result.exit_code == 2 else not fault


@pytest.mark.parametrize("command", OTHER_COMPLAINTS)
def test_a_complaint_that_a_builder_can_end_is_a_failed_check(root: Path, command: str) -> None:
    assert grammar_fault(run(root, command)) == ""
