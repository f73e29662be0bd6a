"""The guide to task files is true: a server takes its plan, and its commands do what they say."""

import re
import subprocess
from pathlib import Path

import pytest

from amplifier_swarm.plan.read import Plan, plan_of
from amplifier_swarm.plan.source import Source
from contract.repository import ROOT
from support.programs import environment
from support.server import Server
from swarm_worker.prompts import build

PAGE = (ROOT / "docs" / "writing-tasks.md").read_text()
MARKED = dict(re.findall(r"<!-- (\w+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))


def example() -> Plan:
    return plan_of(Source("plan.yaml", MARKED["plan"]), strict=True)


def shell(commands: str, folder: Path) -> str:
    """Runs commands of the guide as they stand, and gives what they printed."""
    done = subprocess.run(
        ["sh", "-eu", "-c", commands],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_worked_example_is_read_without_a_warning() -> None:
    plan = example()

    assert [task.definition.task_id for task in plan.tasks] == ["store", "cli", "handbook"]
    assert not plan.warnings


def test_each_task_of_the_worked_example_has_what_the_guide_asks_for() -> None:
    for task in (planned.definition for planned in example().tasks):
        assert task.description
        assert task.acceptance_criteria
        assert task.files
        assert task.checks
        assert task.design_docs


async def test_a_server_takes_the_worked_example_in_a_dry_run(served: Server) -> None:
    client = served.client()

    response = await client.add(*(task.definition for task in example().tasks), dry_run=True)

    assert (response.added, list(response.warnings)) == (3, [])


def test_our_prompts_can_be_copied_as_the_guide_says_and_are_what_they_were(tmp_path: Path) -> None:
    shell(MARKED["copy"], tmp_path)

    assert {path.name for path in (tmp_path / ".swarm" / "prompts").iterdir()} == {
        "builder.md",
        "validator.md",
    }
    assert build.read_templates(tmp_path) == build.read_templates(tmp_path / "elsewhere")


@pytest.mark.slow
def test_the_worked_example_can_be_rehearsed_as_the_guide_says(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(MARKED["plan"])

    assert "3 tasks: 3 completed" in shell(MARKED["rehearse"], tmp_path)
    assert (tmp_path / "rehearsal" / "src" / "notes" / "store.py").exists()


@pytest.mark.slow
def test_the_commands_of_the_page_on_importing_print_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "importing.md").read_text()
    [first, second] = re.findall(r"<!-- run -->\n```sh\n(.*?)```", page, re.DOTALL)
    [printed] = re.findall(r"```\n(not carried.*?)```", page, re.DOTALL)
    rows = ("Key,Title,Depends on,Labels", "WEB-1,Form,,a", "WEB-2,Page,WEB-1,", "WEB-3,Help,WEB-9,")
    (tmp_path / "issues.csv").write_text("\n".join(rows) + "\n")

    said = shell(f"({first}) 2>&1", tmp_path)
    shell(second, tmp_path)

    assert said.startswith(printed)
    assert "tasks.yaml: 3 tasks, no faults" in said
