"""`plan`, and the forecast of `import --dry-run`."""

import json
from pathlib import Path

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import FakeOperator
from unit.client.conftest import Ctl, in_every_form

PLAN = """\
tasks:
  - {id: a, type: api, estimated_hours: 1, files: [x.py]}
  - {id: b, type: api, estimated_hours: 2, dependencies: [a]}
  - {id: c, type: api, estimated_hours: 1, files: [x.py]}
"""


@pytest.fixture(autouse=True)
def _plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)


def completed(count: int) -> list[Task]:
    tasks = [
        Task(
            task_id=f"old{i}",
            type="api",
            status=TaskStatus.TASK_STATUS_COMPLETED,
            usage=Usage(input_tokens=1, output_tokens=1, cost="0.50"),
        )
        for i in range(count)
    ]
    for task in tasks:
        task.started_at.FromSeconds(10)
        task.completed_at.FromSeconds(70)
    return tasks


def test_plan_needs_no_server(alone: Ctl) -> None:
    result = alone("plan", "plan.yaml", "--no-server", "--rate", "10")

    assert (result.code, result.err) == (0, "")
    assert "3 tasks, 1 dependency; 3 to do" in result.out
    assert "a -> b" in result.out
    assert "$40.00" in result.out
    assert "x.py" in result.out


def test_plan_says_that_no_server_answers_unless_one_was_named(
    alone: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amplifier_swarm_client.settings.DEFAULT_SERVER", "127.0.0.1:1")
    quiet = alone("plan", "plan.yaml")
    named = alone("plan", "plan.yaml", "--server", "127.0.0.1:1")

    assert (quiet.code, quiet.err) == (
        0,
        "swarmctl: no server answers, so the forecast knows no earlier tasks\n",
    )
    assert (named.code, named.out) == (5, "")


def test_plan_takes_times_and_costs_from_the_tasks_of_the_server(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=completed(3), total=3)
    document, text = in_every_form(ctl, "plan", "plan.yaml")

    assert document["cost"]["p50"] == 1.5
    assert document["wall_seconds"]["1"] == 180
    assert document["critical_path"] == {"tasks": ["a", "b"], "seconds": 120}
    assert document["overlaps"] == [{"path": "x.py", "tasks": 2, "such_as": ["a", "c"]}]
    assert "costs of 3 tasks from: type api, 3 completed" in text


def test_plan_exits_with_1_for_what_can_not_work_and_with_2_for_a_cycle(alone: Ctl, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text('tasks:\n  - {id: a, dependencies: [gone], checks: ["if x; then"]}\n')
    (tmp_path / "cycle.yaml").write_text("tasks:\n  - {id: a, dependencies: [a]}\n")
    odd, cycle = alone("plan", "odd.yaml", "--no-server"), alone("plan", "cycle.yaml", "--no-server")

    assert odd.code == 1
    assert "gone" in odd.out
    assert "if x; then" in odd.out
    assert (cycle.code, cycle.out) == (2, "")
    assert "cycle.yaml:2: " in cycle.err
    assert "a -> a" in cycle.err


def test_plan_shows_forecast_and_truth_beside_each_other(ctl: Ctl, operator: FakeOperator) -> None:
    new = completed(1)[0]
    new.task_id = "a"
    new.created_at.FromSeconds(80)
    new.completed_at.FromSeconds(190)
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=[*completed(3), new], total=4)
    document, text = in_every_form(ctl, "plan", "plan.yaml", "--compare")

    [task] = document["tasks"]
    assert (task["id"], task["cost"], task["cost_forecast"]) == ("a", 0.5, {"p50": 0.5, "p90": 0.5})
    assert (task["seconds"], task["seconds_forecast"]["p50"]) == (180, 60)
    assert "1 of 1 task within p90" in text


def test_plan_without_a_file_or_without_a_server_to_compare_with_is_refused(alone: Ctl) -> None:
    assert alone("plan").code == alone("plan", "--compare", "--no-server").code == 2


def test_a_dry_run_of_an_import_prints_the_forecast(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["AddTasks"] = wire.AddTasksResponse(added=3)
    operator.answers["ListTasks"] = wire.ListTasksResponse(tasks=completed(3), total=3)
    result = ctl("import", "plan.yaml", "--dry-run")
    document = json.loads(ctl("import", "plan.yaml", "--dry-run", "-o", "json").out)

    assert result.out.startswith("3 added, 0 changed, 0 unchanged (dry run: nothing was changed)\n")
    assert "a -> b" in result.out
    assert document["forecast"]["cost"]["p50"] == 1.5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("--from-spec", "SPEC.md"),
            2,
            "swarmctl: --from-spec and --out go together, without a FILE; write `swarmctl",
        ),
        (("--out", "new.yaml"), 2, "swarmctl: --from-spec and --out go together"),
        (
            ("plan.yaml", "--from-spec", "SPEC.md", "--out", "new.yaml"),
            2,
            "swarmctl: --from-spec and --out go together",
        ),
        (("--from-spec", "SPEC.md", "--out", "SPEC.md"), 7, "swarmctl: SPEC.md exists; name another file"),
        (("--from-spec", "empty.md", "--out", "new.yaml"), 2, "swarmctl: empty.md is empty; write down what"),
        (("--from-spec", "nowhere.md", "--out", "new.yaml"), 2, "swarmctl: can't read nowhere.md"),
    ],
)
def test_a_specification_needs_a_text_and_a_new_file(
    alone: Ctl, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "SPEC.md").write_text("Two things.\n")
    (tmp_path / "empty.md").write_text("\n")

    done = alone("plan", *arguments)

    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert done.err.startswith(message)
    assert not (tmp_path / "new.yaml").exists()
