"""The choice of a session's script, and the default script."""

import json
from pathlib import Path

import pytest

from swarm_worker.embedded.default_script import MARK, default_script, placeholder_content
from swarm_worker.embedded.task import BadTask, Call, EmbeddedRole, EmbeddedTask, Script, read_task


def scripts(*replies: str) -> tuple[Script, ...]:
    return tuple(Script(calls=(), reply=reply) for reply in replies)


@pytest.mark.parametrize(("attempt", "reply"), [(1, "one"), (2, "two"), (3, "two"), (99, "two")])
def test_each_attempt_has_its_script_and_later_attempts_use_the_last(attempt: int, reply: str) -> None:
    task = EmbeddedTask("t", builder=scripts("one", "two"), validator=scripts("other"))

    script = task.script(EmbeddedRole.BUILDER, attempt=attempt)

    assert script is not None
    assert script.reply == reply


def test_a_role_without_scripts_has_none() -> None:
    assert EmbeddedTask("t", builder=scripts("one")).script(EmbeddedRole.VALIDATOR, attempt=1) is None


def test_a_task_file_is_read_by_the_names_of_the_proto(tmp_path: Path) -> None:
    file = tmp_path / "task.json"
    calls = [{"tool": "write_file", "arguments": {"path": "a.py", "content": "x = 1\n"}}, {"tool": "bash"}]
    document = {
        "task_id": "2.6.1.a",
        "files": ["a.py"],
        "builder_timeout": "60s",
        "builder_result": {"status": "completed"},
        "rehearsal": {"builder": [{"calls": calls, "reply": "done"}, {}]},
    }
    file.write_text(json.dumps(document))

    task = read_task(file)

    write = Call("write_file", {"path": "a.py", "content": "x = 1\n"})
    assert task.task_id == "2.6.1.a"
    assert task.files == ("a.py",)
    assert task.builder == (Script((write, Call("bash", {})), "done"), Script((), ""))
    assert task.validator == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        ("[]", "the task must be an object"),
        ('{"files": "a.py"}', "files must be a list"),
        ('{"files": [1]}', "files must be a string"),
        ('{"rehearsal": {"builder": {}}}', "rehearsal.builder must be a list"),
        ('{"rehearsal": {"validator": [{"calls": ["x"]}]}}', "rehearsal.validator.calls must be an object"),
        (
            '{"rehearsal": {"builder": [{"calls": [{"tool": "bash", "arguments": {"command": 1}}]}]}}',
            "rehearsal.builder.calls.arguments.command must be a string",
        ),
    ],
)
def test_a_malformed_task_file_is_refused_with_the_field(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "task.json"
    file.write_text(text)

    with pytest.raises(BadTask, match=problem):
        read_task(file)


def test_without_a_script_the_builder_writes_only_missing_files(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("kept\n")
    task = EmbeddedTask("7.a", files=("old.py", "new.py", "docs/"))

    script = default_script(task, EmbeddedRole.BUILDER, root=tmp_path)

    assert [call.tool for call in script.calls] == ["write_file", "write_file"]
    assert [call.arguments["path"] for call in script.calls] == ["new.py", "docs/REHEARSAL.md"]
    assert all(MARK in call.arguments["content"] for call in script.calls)


def test_without_a_script_the_validator_reads_every_declared_file(tmp_path: Path) -> None:
    script = default_script(EmbeddedTask("t", files=("a.py", "b.py")), EmbeddedRole.VALIDATOR, root=tmp_path)

    assert script.calls == (Call("read_file", {"path": "a.py"}), Call("read_file", {"path": "b.py"}))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("a.py", "# ", "\n"),
        ("Makefile", "# ", "\n"),
        ("a.yaml", "# ", "\n"),
        ("a.go", "// ", "\n"),
        ("a.PROTO", "// ", "\n"),
        ("a.sql", "-- ", "\n"),
        ("a.md", "<!-- ", " -->\n"),
        ("a.css", "/* ", " */\n"),
    ],
)
def test_the_mark_is_a_comment_of_the_format(name: str, first: str, last: str) -> None:
    text = placeholder_content("a--b", name)

    assert text.startswith(first)
    assert text.endswith(last)
    assert MARK in text
    assert text.count("\n") == 1


def test_a_comment_can_not_be_ended_by_an_id() -> None:
    assert "--" not in placeholder_content("a--b", "x.html").removeprefix("<!-- ").removesuffix(" -->\n")


def test_a_json_file_stays_json() -> None:
    assert MARK in json.loads(placeholder_content("t", "a.json"))["rehearsal"]


def test_a_python_file_stays_python() -> None:
    compile(placeholder_content("t", "a.py"), "a.py", "exec")
