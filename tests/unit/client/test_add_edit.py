"""`add` and `edit`: one task by options, from a file or in an editor; bad input changes nothing."""

import json
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.errors import Violation, WireError
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Task, TaskDefinition
from support.operator import FakeOperator
from unit.client.conftest import Ctl

NOT_FOUND = WireError(grpc.StatusCode.NOT_FOUND, 'no task "a"', "TASK_NOT_FOUND")
NUMBER = "an integer from -1000 to 1000"
BEFORE = TaskDefinition(task_id="a", name="Write it", priority=1, checks=["make test"], files=["a.py"])


@pytest.fixture
def known(operator: FakeOperator) -> TaskDefinition:
    """The server has the task `a`."""
    definition = TaskDefinition()
    definition.CopyFrom(BEFORE)
    operator.answers["GetTask"] = lambda _: wire.GetTaskResponse(
        task=Task(task_id="a"), definition=definition
    )
    operator.answers["AddTasks"] = wire.AddTasksResponse(changed=1)
    return definition


@pytest.fixture
def new(operator: FakeOperator) -> FakeOperator:
    """The server has no task."""
    operator.answers["GetTask"] = NOT_FOUND
    operator.answers["AddTasks"] = wire.AddTasksResponse(added=1)
    return operator


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A terminal, and an editor that runs the commands of sed in a file."""
    monkeypatch.setattr("swarmctl.cli.definitions._at_terminal", lambda: True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("EDITOR", f"sed -i -f {tmp_path / 'commands'}")
    monkeypatch.delenv("VISUAL", raising=False)
    return tmp_path / "commands"


def sent(operator: FakeOperator) -> list[TaskDefinition]:
    return [
        task.definition for call in operator.asked("AddTasks") for message in call for task in message.tasks
    ]


def left(folder: Path) -> list[Path]:
    return list(folder.glob("swarmctl-*.yaml"))


def test_a_task_is_added_by_options(ctl: Ctl, new: FakeOperator) -> None:
    done = ctl(
        *("add", "a", "--name", "Write: it", "--files", "a.py", "--files", "b.py", "--checks", "make test"),
        *("--dependencies", "1", "--acceptance-criteria", "it works", "--set", "priority=high"),
        *("--set", "limits={memory: 1G}", "--set", "validate=false"),
    )

    assert done.code == 0
    [task] = sent(new)
    assert (task.task_id, task.name, list(task.files)) == ("a", "Write: it", ["a.py", "b.py"])
    assert (list(task.dependencies), list(task.checks), task.priority) == (["1"], ["make test"], 3)
    assert (task.limits.memory_bytes, task.validate, task.HasField("validate")) == (1024**3, False, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "a", "--set", "priority=urgent"), 'options:1: task "a": priority: must be critical'),
        (("add", "a", "--set", "colour=red"), 'options: task "a": unknown field "colour"'),
        (("add", "a", "--set", "priority"), "swarmctl: priority sets nothing; write FIELD=VALUE"),
        (("add", "a", "--set", "checks=[a"), "--set checks:2: not valid YAML"),
        (("add", "--name", "x"), "swarmctl: no TASK given; name the id"),
        (("add", "a", "--name", "x", "--from-file", "f"), "swarmctl: --from-file has all fields"),
        (("add",), "swarmctl: an editor needs a terminal; give --set, or --from-file FILE"),
        (("add", "--from-file", "list.yaml"), "list.yaml: must be the fields of one task, got a list"),
        (
            ("add", "--from-file", "empty.yaml"),
            "empty.yaml: must be the fields of one task, got an empty text",
        ),
        (("add", "--from-file", "alias.yaml"), 'alias.yaml:2: task "a": name: YAML anchors'),
    ],
)
def test_bad_input_for_a_new_task_is_one_line_and_adds_nothing(
    ctl: Ctl, new: FakeOperator, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    for name, text in (("list", "- a\n"), ("empty", ""), ("alias", "id: a\nname: &x y\n")):
        (tmp_path / f"{name}.yaml").write_text(text)

    done = ctl(*arguments)

    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(message)
    assert not sent(new)


def test_a_task_that_exists_is_not_added(ctl: Ctl, operator: FakeOperator, known: TaskDefinition) -> None:
    done = ctl("add", "a", "--name", "x")

    assert (done.code, done.err) == (7, "swarmctl: task a exists; `swarmctl edit a` changes it\n")
    assert not sent(operator)


def test_a_task_is_added_in_an_editor_and_a_text_that_stays_adds_nothing(
    ctl: Ctl, new: FakeOperator, editor: Path, tmp_path: Path
) -> None:
    editor.write_text("")
    assert ctl("add", "a").err == "swarmctl: the text is as it was; nothing was added\n"
    assert not sent(new)

    editor.write_text("s/^name:/name: Write it/")
    assert ctl("add", "a").code == 0

    assert [task.name for task in sent(new)] == ["Write it"]
    assert not left(tmp_path)


def test_edit_says_what_changes_and_sends_the_whole_definition(
    ctl: Ctl, operator: FakeOperator, known: TaskDefinition, editor: Path, tmp_path: Path
) -> None:
    editor.write_text("s/priority: low/priority: high/\n/^files:/,+1d\n")

    done = ctl("edit", "a")

    assert done.code == 0
    assert done.out.splitlines() == [
        "a is changed:",
        "  name: Write it",
        "- priority: low",
        "- files:",
        "-   - a.py",
        "+ priority: high",
        "  checks:",
    ]
    [task] = sent(operator)
    assert (task.name, task.priority, list(task.files), list(task.checks)) == (
        "Write it",
        3,
        [],
        ["make test"],
    )
    assert not left(tmp_path)


def test_edit_by_options_changes_and_removes_fields(
    ctl: Ctl, operator: FakeOperator, known: TaskDefinition
) -> None:
    done = ctl("edit", "a", "--set", "priority=high", "--set", "files=", "-o", "json", "--dry-run")

    document = json.loads(done.out)
    assert (document["id"], document["changed"], document["dry_run"]) == ("a", True, True)
    assert "+ priority: high" in document["lines"]
    [task] = sent(operator)
    assert (task.priority, list(task.files)) == (3, [])


def test_an_edit_with_a_fault_changes_nothing_and_keeps_the_text(
    ctl: Ctl, operator: FakeOperator, known: TaskDefinition, editor: Path, tmp_path: Path
) -> None:
    editor.write_text("s/priority: low/priority: urgent/")

    done = ctl("edit", "a")

    [file] = left(tmp_path)
    assert done.code == 2
    assert done.err.splitlines() == [
        f"swarmctl: nothing was changed; correct the text: swarmctl edit a --from-file {file}",
        f'{file}:4: task "a": priority: must be critical, high, medium, low or {NUMBER}, got text "urgent"',
    ]
    assert not sent(operator)
    file.write_text(file.read_text().replace("urgent", "high"))
    assert ctl("edit", "a", "--from-file", str(file)).code == 0
    assert [task.priority for task in sent(operator)] == [3]


def test_what_the_server_refuses_has_the_line_of_the_text(
    ctl: Ctl, operator: FakeOperator, known: TaskDefinition, editor: Path
) -> None:
    fault = Violation(
        "tasks[0].definition.dependencies[0]", 'depends on unknown task "z"; add it to the file'
    )
    operator.answers["AddTasks"] = WireError(
        grpc.StatusCode.INVALID_ARGUMENT, "1 fault", "INVALID_TASKS", {}, [fault]
    )
    editor.write_text("$a dependencies: [z]\n")

    done = ctl("edit", "a")

    assert done.code == 2
    assert done.err.endswith(
        ':9: task "a": dependencies[0]: depends on unknown task "z"; add it to the file\n'
    )


def test_an_edit_that_changes_nothing_or_the_id_sends_nothing(
    ctl: Ctl, operator: FakeOperator, known: TaskDefinition, editor: Path
) -> None:
    editor.write_text("s/^#.*//")
    assert ctl("edit", "a").out == "a is as it was\n"

    editor.write_text('s/^id: .*/id: "b"/')
    assert ctl("edit", "a").err.endswith(
        "swarmctl: the id a can't become b; `swarmctl add b` makes a task of that id\n"
    )
    assert not sent(operator)


def test_an_edit_of_what_changed_meanwhile_is_refused(
    ctl: Ctl, operator: FakeOperator, known: TaskDefinition, editor: Path
) -> None:
    answers = [BEFORE, TaskDefinition(task_id="a", name="Another")]
    operator.answers["GetTask"] = lambda _: wire.GetTaskResponse(
        task=Task(task_id="a"), definition=answers.pop(0) if answers else BEFORE
    )
    editor.write_text("s/low/high/")

    done = ctl("edit", "a")

    assert done.code == 7
    assert done.err.endswith("swarmctl: task a was changed meanwhile; edit it again, as it is now\n")
    assert not sent(operator)


@pytest.mark.parametrize(
    ("name", "problem"), [("false", "ended with 1"), ("no-such-editor", "can't be started")]
)
@pytest.mark.usefixtures("known", "editor")
def test_an_editor_that_fails_changes_nothing(
    ctl: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    monkeypatch.setenv("EDITOR", name)

    done = ctl("edit", "a")

    assert done.code in (1, 2)
    assert problem in done.err
    assert not sent(operator)
