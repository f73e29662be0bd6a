"""`import` and `export`: streams, faults by line, and files that are whole or untouched."""

import io
import json
import sys
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.errors import Violation, WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import TaskDefinition, TaskStatus
from amplifier_swarm_client.plan_source import MESSAGE_BYTES
from support.operator import FakeOperator
from unit.client.conftest import Ctl

PLAN = """\
tasks:
  - id: a
  - id: b
    dependencies: [a]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def adding(operator: FakeOperator) -> FakeOperator:
    operator.answers["AddTasks"] = wire.AddTasksResponse(added=1, changed=2, unchanged=3)
    return operator


def test_import_sends_the_tasks_in_their_order(ctl: Ctl, adding: FakeOperator, plan: Path) -> None:
    result = ctl("import", "plan.yaml")

    [[message]] = adding.asked("AddTasks")
    assert [task.definition.task_id for task in message.tasks] == ["a", "b"]
    assert (message.clear, message.dry_run) == (False, False)
    assert (result.code, result.out, result.err) == (0, "1 added, 2 changed, 3 unchanged\n", "")


def test_import_passes_its_flags_on(ctl: Ctl, adding: FakeOperator, plan: Path) -> None:
    result = ctl("import", "plan.yaml", "--clear", "--dry-run", "-o", "json")

    [[message]] = adding.asked("AddTasks")
    assert (message.clear, message.dry_run) == (True, True)
    document = json.loads(result.out)
    assert document.pop("forecast")["tasks"] == 2
    assert document == {
        "added": 1,
        "changed": 2,
        "unchanged": 3,
        "removed": 0,
        "dry_run": True,
        "warnings": [],
    }


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_import_reads_stdin(
    ctl: Ctl, adding: FakeOperator, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PLAN.encode())))

    assert ctl("import", *arguments).code == 0
    assert len(adding.asked("AddTasks")[0][0].tasks) == 2


def test_a_large_plan_is_sent_in_messages_of_a_quarter_mebibyte(
    ctl: Ctl, adding: FakeOperator, tmp_path: Path
) -> None:
    text = "tasks:\n" + "".join(f"  - id: t{i}\n    description: {'x' * 10_000}\n" for i in range(200))
    (tmp_path / "plan.yaml").write_text(text)

    assert ctl("import", "plan.yaml").code == 0

    [messages] = adding.asked("AddTasks")
    assert len(messages) == 8
    assert all(message.ByteSize() <= MESSAGE_BYTES + 1_024 for message in messages)
    assert sum(len(message.tasks) for message in messages) == 200


def test_a_task_larger_than_a_message_of_ours_is_sent_alone(
    ctl: Ctl, adding: FakeOperator, tmp_path: Path
) -> None:
    text = f"tasks:\n  - id: a\n  - id: b\n    description: {'x' * 1_000_000}\n  - id: c\n"
    (tmp_path / "plan.yaml").write_text(text)

    assert ctl("import", "plan.yaml").code == 0

    [messages] = adding.asked("AddTasks")
    assert [len(message.tasks) for message in messages] == [1, 1, 1]


def test_an_empty_plan_is_sent_too(ctl: Ctl, adding: FakeOperator, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("tasks: []\n")

    assert ctl("import", "plan.yaml", "--clear").code == 0
    [[message]] = adding.asked("AddTasks")
    assert message.clear


def test_nothing_is_sent_of_a_plan_with_a_fault(ctl: Ctl, adding: FakeOperator, plan: Path) -> None:
    plan.write_text(PLAN + "    priority: urgent\n")

    result = ctl("import", "plan.yaml")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith('plan.yaml:5: task "b": priority: must be critical')
    assert not adding.asked("AddTasks")


def test_the_faults_that_the_server_finds_have_lines_too(
    ctl: Ctl, operator: FakeOperator, plan: Path
) -> None:
    faults = [
        Violation("tasks[1].dependencies[0]", 'depends on unknown task "a"; did you mean "b"?'),
        Violation("tasks[0].task_id", "may contain only letters"),
    ]
    operator.answers["AddTasks"] = WireError(
        grpc.StatusCode.INVALID_ARGUMENT, "2 faults", "INVALID_TASKS", {"count": "7"}, faults
    )

    result = ctl("import", "plan.yaml")

    assert (result.code, result.out) == (2, "")
    assert result.err == (
        'plan.yaml:2: task "a": id: may contain only letters\n'
        'plan.yaml:4: task "b": dependencies[0]: depends on unknown task "a"; did you mean "b"?\n'
        "and 5 more\n"
    )


def test_warnings_of_both_sides_go_to_stderr_and_are_not_faults(
    ctl: Ctl, operator: FakeOperator, plan: Path
) -> None:
    plan.write_text(PLAN + "    zork: 1\n")
    operator.answers["AddTasks"] = wire.AddTasksResponse(
        added=2, warnings=[wire.PlanWarning(place="tasks[1].dependencies[0]", message="is there twice")]
    )

    result = ctl("import", "plan.yaml")

    assert (result.code, result.out) == (0, "2 added, 0 changed, 0 unchanged\n")
    assert result.err == (
        'warning: plan.yaml:5: task "b": unknown field "zork" is ignored\n'
        'warning: plan.yaml:4: task "b": dependencies[0]: is there twice\n'
    )


def test_a_conflict_is_reported_as_one(ctl: Ctl, operator: FakeOperator, plan: Path) -> None:
    operator.answers["AddTasks"] = WireError(
        grpc.StatusCode.FAILED_PRECONDITION, "3 tasks run", "TASKS_ACTIVE"
    )

    result = ctl("import", "plan.yaml", "--clear")

    assert (result.code, result.err) == (7, "swarmctl: 3 tasks run; wait for them, or kill them first\n")


EXPORTED = 'version: 1\ntasks:\n  - id: "a"\n    status: not_started\n  - id: "b"\n    status: not_started\n'


@pytest.fixture
def exporting(operator: FakeOperator) -> FakeOperator:
    operator.answers["ExportTasks"] = [
        wire.ExportTasksResponse(tasks=[wire.PlannedTask(definition=TaskDefinition(task_id=task_id))])
        for task_id in "ab"
    ]
    return operator


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_export_writes_stdout(ctl: Ctl, exporting: FakeOperator, arguments: list[str]) -> None:
    result = ctl("export", *arguments)

    assert (result.code, result.out, result.err) == (0, EXPORTED, "")


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_export_writes_the_numbers_of_names_of_the_first_message(
    ctl: Ctl, exporting: FakeOperator, answers: int
) -> None:
    exporting.answers["ExportTasks"] = exporting.answers["ExportTasks"][:answers]
    if answers:
        exporting.answers["ExportTasks"][0].concurrency.update({"b": 3, "a": 2})

    text = ctl("export").out

    assert ('concurrency:\n  "a": 2\n  "b": 3\n' in text) is bool(answers)
    assert text.count("- id:") == answers


def test_import_sends_the_numbers_of_names(ctl: Ctl, operator: FakeOperator, tmp_path: Path) -> None:
    (tmp_path / "named.yaml").write_text("concurrency: {db: 2}\ntasks: [{id: a, exclusive: [db]}]\n")
    operator.answers["AddTasks"] = wire.AddTasksResponse(added=1)

    assert ctl("import", "named.yaml").code == 0

    assert dict(operator.asked("AddTasks")[0][0].concurrency) == {"db": 2}


def test_export_replaces_a_file_as_a_whole(ctl: Ctl, exporting: FakeOperator, tmp_path: Path) -> None:
    (tmp_path / "out.yaml").write_text("older and longer than what is to come\n" * 99)

    result = ctl("export", "out.yaml", "--status", "failed")

    assert (result.code, result.out) == (0, "")
    assert (tmp_path / "out.yaml").read_text() == EXPORTED
    assert list(tmp_path.iterdir()) == [tmp_path / "out.yaml"]
    assert list(exporting.asked("ExportTasks")[0].statuses) == [TaskStatus.TASK_STATUS_FAILED]


def test_an_export_that_breaks_off_leaves_the_older_file(
    ctl: Ctl, operator: FakeOperator, tmp_path: Path
) -> None:
    operator.answers["ExportTasks"] = WireError(grpc.StatusCode.UNAVAILABLE, "going down", "SERVER_STOPPING")
    (tmp_path / "out.yaml").write_text("older")

    assert ctl("export", "out.yaml").code == 5
    assert (tmp_path / "out.yaml").read_text() == "older"


def test_what_is_exported_is_imported_as_it_was(
    ctl: Ctl, exporting: FakeOperator, adding: FakeOperator
) -> None:
    ctl("export", "out.yaml")
    ctl("import", "out.yaml")

    [[message]] = adding.asked("AddTasks")
    assert [task.definition.task_id for task in message.tasks] == ["a", "b"]
