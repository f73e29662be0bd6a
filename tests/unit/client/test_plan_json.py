"""Plans in JSON: whatever is valid JSON is read, with lines; and exports as JSON read back the same."""

import json
import random
from pathlib import Path

import pytest

from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.read import Plan, plan_of
from amplifier_swarm.plan.source import Source
from amplifier_swarm.plan.write import plan_document, plan_text
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from support.operator import FakeOperator
from unit.client.conftest import Ctl
from unit.client.test_plan_writing import random_task


def read(text: str) -> Plan:
    return plan_of(Source("plan.json", text))


def refusal(text: str) -> str:
    with pytest.raises(PlanRefused) as refused:
        read(text)
    return refused.value.line("swarmctl")


def task_of(text: str) -> PlannedTask:
    [task] = read(f'{{"tasks": [{{"id": "a", {text}}}]}}').tasks
    return task


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        (r"\ud83d\ude80 Launch", "🚀 Launch"),
        (r"a\/b", "a/b"),
        (r"na\u00efve \u2014", "naïve —"),
        (r"\"\\", '"\\'),
        (r"\ud83d\udc69\u200d\ud83d\ude80", "👩\u200d🚀"),
    ],
)
def test_escapes_of_json_are_read(escaped: str, name: str) -> None:
    assert task_of(f'"name": "{escaped}"').definition.name == name


@pytest.mark.parametrize(
    ("number", "hours"),
    [
        ("1.5e0", 1.5),
        ("1e1", 10),
        ("2E-1", 0.2),
        ("1.0", 1),
        ("0.5", 0.5),
        ("1e+2", 100),
        ("1e-40", 0),
        ("3", 3),
    ],
)
def test_numbers_of_json_are_read(number: str, hours: float) -> None:
    assert task_of(f'"estimated_hours": {number}').definition.estimated_hours == hours


@pytest.mark.parametrize("number", ["1e1", "10", "10.0", "1.0e1", "100e-1"])
def test_a_whole_number_is_one_however_it_is_written(number: str) -> None:
    assert task_of(f'"priority": {number}, "max_retries": {number}').definition.priority == 10


@pytest.mark.parametrize("number", ["1e400", "1e999999999", "1.5", "9" * 60, "-1e31"])
def test_a_number_that_no_field_takes_is_one_line(number: str) -> None:
    assert 'task "a": priority: must be' in refusal(f'{{"tasks": [{{"id": "a", "priority": {number}}}]}}')


def test_words_in_quotes_are_text_and_others_are_not() -> None:
    task = task_of('"name": "yes", "phase": "1.5e0", "validate": true, "max_retries": null')

    assert (task.definition.name, task.definition.phase) == ("yes", "1.5e0")
    assert task.definition.validate
    assert not task.definition.HasField("max_retries")


def test_a_key_may_be_longer_than_yaml_allows() -> None:
    key = "k" * 2_000

    assert task_of(f'"labels": {{"{key}": "v"}}').definition.labels[key] == "v"


def test_line_ends_tabs_and_a_bom_are_read(tmp_path: Path, ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["AddTasks"] = wire.AddTasksResponse(added=1)
    (tmp_path / "plan.json").write_bytes(b'\xef\xbb\xbf{\r\n\t"tasks": [\r\n\t\t{"id": "a"}\r\n\t]\r\n}\r\n')

    assert ctl("import", "plan.json").code == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"tasks": [\n{"id": "a",}]}x', "plan.json:2: not valid JSON: "),
        ('{"tasks": [\n{"id": "a" "b": 1}]}', "plan.json:2: not valid JSON: expecting ',' delimiter, at column 12"),
        ('{"tasks": [\n{"id": "a"},\n{"id": "a"}]}', 'plan.json:3: task "a": id: duplicate task id "a"'),
        ('{"tasks": [\n{"id": "a",\n"id": "b"}]}', 'plan.json:3: task "a": id: duplicate key "id" (first at line 2)'),
        ('{"tasks": [{"id": 1}]}', 'plan.json:1: task "1": id: must be text; YAML read it as integer 1'),
        ('{"tasks": [{"id": "\\ud800"}]}', "control character U+D800 not allowed"),
        ('{"tasks": [{"id": "a", "estimated_hours": NaN}]}', "estimated_hours: must be a number of hours"),
        ('{"tasks": ' + "[" * 100_000, "nesting deeper than"),
        ('{"tasks": [{"id": "a", "labels": ' + '{"a": ' * 30 + "1" + "}" * 32 + "]}", "nesting deeper than 20"),
        ('{"tasks": {}}', "plan.json:1: tasks: must be a list of tasks, got a mapping"),
    ],
)  # fmt: skip
def test_a_fault_in_json_is_one_line_that_names_its_place(text: str, line: str) -> None:
    assert line in refusal(text)


@pytest.mark.parametrize(
    "text", ['{"tasks": [{"id": "a",},],}', "{tasks: [{id: a}]}", '# x\n{"tasks": [{"id": "a"}]}']
)
def test_flow_collections_of_yaml_are_still_read(text: str) -> None:
    assert [task.definition.task_id for task in read(text).tasks] == ["a"]


@pytest.mark.parametrize("seed", range(100))
def test_an_export_as_json_reads_back_as_the_same_tasks(seed: int) -> None:
    rng = random.Random(seed)
    tasks = [random_task(rng, number) for number in range(3)]
    for task in tasks:
        # Of large numbers and small times JSON keeps what a float holds.
        task.definition.ClearField("estimated_hours")

    text = json.dumps(plan_document(tasks), ensure_ascii=rng.random() < 0.5)

    assert "".join(plan_text(read(text).tasks)) == "".join(plan_text(tasks))


@pytest.mark.parametrize("arguments", [("-o", "json", "export"), ("export", "-", "-o", "json")])
def test_export_writes_json_where_json_is_asked_for(
    ctl: Ctl, operator: FakeOperator, arguments: tuple[str, ...]
) -> None:
    task = PlannedTask()
    task.definition.task_id = "ä🚀"
    operator.answers["ExportTasks"] = [wire.ExportTasksResponse(tasks=[task])]

    result = ctl(*arguments)

    assert json.loads(result.out) == {"version": 1, "tasks": [{"id": "ä🚀", "status": "not_started"}]}


def test_a_file_that_ends_with_json_is_json(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ExportTasks"] = [wire.ExportTasksResponse()]

    assert ctl("export", "out.json").code == 0
    assert json.loads(Path("out.json").read_text()) == {"version": 1, "tasks": []}


def test_the_output_of_list_is_refused_with_the_way_that_keeps_definitions(ctl: Ctl) -> None:
    listed = [{"id": "a", "status": "completed", "attempt": 1, "blocked_by": [], "name": "A"}]

    assert "use `swarmctl export -o json`" in refusal(json.dumps(listed))
