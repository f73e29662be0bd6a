"""`convert`, and `--from` of the commands that read a task file."""

import io
import json
import sys
from pathlib import Path

import pytest

from amplifier_swarm.plan.read import read_plan
from amplifier_swarm.v1 import operator_service_pb2 as wire
from fakes.operator_server import FakeOperatorServer
from support.operator import FakeOperator
from unit.client.conftest import Ctl

TABLE = "ID,Title,Depends on\n1,First,\n2,Second,1\n3,Third,9\n"
YAML = """\
version: 1
tasks:
  - id: "1"
    name: First
    status: not_started
  - id: "2"
    name: Second
    status: not_started
    dependencies:
      - "1"
  - id: "3"
    name: Third
    status: not_started
"""
NOTE = 'plan.csv:4: "3" waits for "9", which is not in this file; no dependency'


@pytest.fixture(autouse=True)
def _table(tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_text(TABLE)


def test_convert_prints_a_task_file_and_says_what_is_lost_on_stderr(alone: Ctl) -> None:
    done = alone("convert", "plan.csv")

    assert (done.code, done.out) == (0, YAML)
    assert (
        done.err
        == f"not carried: {NOTE}\nplan.csv: csv, 3 tasks, 1 dependency; 1 note on what is not carried\n"
    )
    assert [
        task["id"] for task in json.loads(alone("convert", "plan.csv", "-o", "json").out)["tasks"]
    ] == list("123")


def test_convert_reads_stdin_and_puts_a_prefix_before_ids(
    alone: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))

    done = alone("convert", "-", "--from", "csv", "--prefix", "web-")

    assert done.code == 0
    assert 'id: "web-2"' in done.out
    assert 'dependencies:\n      - "web-1"' in done.out


def test_convert_writes_a_file_and_replaces_no_other(alone: Ctl, tmp_path: Path) -> None:
    first = alone("convert", "plan.csv", "--out", "tasks.yaml")
    again = alone("convert", "plan.csv", "--out", "tasks.yaml")
    (tmp_path / "tasks.yaml").write_text("mine")
    refused = alone("convert", "plan.csv", "--out", "tasks.yaml")

    assert (first.code, again.code, refused.code) == (0, 0, 7)
    assert refused.err.endswith("swarmctl: tasks.yaml exists and differs; name another file, or remove it\n")
    assert (tmp_path / "tasks.yaml").read_text() == "mine"
    assert alone("convert", "plan.csv", "--out", "tasks.json").code == 0
    assert read_plan(str(tmp_path / "tasks.json")).tasks


def test_a_refused_file_names_the_format_and_the_flag(ctl: Ctl, operator: FakeOperator) -> None:
    for command in ("import", "validate", "plan"):
        done = ctl(command, "plan.csv")
        assert (done.code, done.out) == (2, "")
        assert done.err == (
            "plan.csv: this looks like a CSV file; add --from csv, or see what becomes of it: "
            "swarmctl convert plan.csv\n"
        )
    assert not operator.asked("AddTasks")


@pytest.mark.parametrize("form", ["auto", "csv"])
def test_import_and_plan_take_the_file_at_once(ctl: Ctl, operator: FakeOperator, form: str) -> None:
    operator.answers["AddTasks"] = wire.AddTasksResponse(added=3)

    done = ctl("import", "plan.csv", "--from", form)
    planned = ctl("plan", "plan.csv", "--from", form, "--no-server")

    [[message]] = operator.asked("AddTasks")
    assert [task.definition.task_id for task in message.tasks] == ["1", "2", "3"]
    assert (done.out, done.err) == ("3 added, 0 changed, 0 unchanged\n", f"warning: {NOTE}\n")
    assert planned.code == 0


def test_the_faults_of_the_server_have_the_lines_of_the_foreign_file(
    ctl: Ctl, operator: FakeOperator
) -> None:
    operator.answers["AddTasks"] = wire.AddTasksResponse(
        warnings=[wire.PlanWarning(place="tasks[1].dependencies[0]", message="is odd")]
    )

    done = ctl("import", "plan.csv", "--from", "csv")

    assert 'warning: plan.csv:3: task "2": dependencies[0]: is odd\n' in done.err


def test_run_takes_the_file_at_once(alone: Ctl, fake: FakeOperatorServer) -> None:
    done = alone("run", "plan.csv", "--from", "csv", "--db", "state/swarm.db")

    [message] = [message for call in fake.operator.asked("AddTasks") for message in call]
    assert [task.definition.task_id for task in message.tasks] == ["1", "2", "3"]
    assert f"warning: {NOTE}\n" in done.err
