"""Exclusive names, their numbers, and the other fields of workspaces in the check of a plan."""

from typing import Any

import pytest

from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.errors import InvalidTasks
from swarmd.domain.exclusive import MAX_CAPACITIES, MAX_NAMES_OF_TASK, folders_of, needs_of
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import TaskId
from swarmd.domain.plan import check_plan


def planned(task_id: str = "a", /, **fields: Any) -> PlannedTask:
    return PlannedTask(TaskDefinition(task_id=TaskId(task_id), **fields), TaskStatus.NOT_STARTED)


def fault_of(concurrency: dict[str, int] | None = None, **fields: Any) -> tuple[str, str]:
    """Returns place and message of the only fault."""
    with pytest.raises(InvalidTasks) as refused:
        check_plan([planned(**fields)], {}, concurrency=concurrency or {})
    [fault] = refused.value.faults
    return fault.place, fault.message


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ä", "x" * 129])
def test_a_name_is_spelt_like_the_id_of_a_task(name: str) -> None:
    place, message = fault_of(exclusive=("db", name))

    assert place == "tasks[0].exclusive[1]"
    assert "may contain only letters, digits, . _ - (max 128)" in message


def test_a_task_has_a_limited_number_of_names() -> None:
    names = tuple(f"n{number}" for number in range(MAX_NAMES_OF_TASK + 1))

    assert fault_of(exclusive=names) == ("tasks[0].exclusive", "exclusive has 65 entries; at most 64")
    check_plan([planned(exclusive=names[1:])], {})


@pytest.mark.parametrize("capacity", [0, -1, 1025])
def test_a_number_out_of_range_is_refused_by_name(capacity: int) -> None:
    found = fault_of({"db": capacity}, exclusive=("db",))

    assert found == ("concurrency.db", f"must be an integer from 1 to 1024, got {capacity}")


def test_a_number_of_what_can_not_be_a_name_is_refused() -> None:
    place, message = fault_of({"a b": 1})

    assert place == "concurrency"
    assert message.startswith('the name "a b" may contain only')


def test_numbers_are_limited() -> None:
    numbers = {f"n{number}": 1 for number in range(MAX_CAPACITIES + 1)}

    assert fault_of(numbers) == ("concurrency", "has 1025 names; at most 1024")


def test_a_number_of_a_name_that_no_task_has_is_warned_of() -> None:
    [warning] = check_plan([planned(exclusive=("db",))], {}, concurrency={"db": 1, "bd": 2}).warnings

    assert warning.place == "concurrency.bd"
    assert warning.message == "is named by no task of this plan; check its spelling"


def test_a_repeated_name_counts_once_and_is_warned_of() -> None:
    checked = check_plan([planned(exclusive=("db", "x", "db"))], {})

    assert checked.tasks[0].definition.exclusive == ("db", "x")
    assert [(w.place, w.message) for w in checked.warnings] == [
        ("tasks[0].exclusive[2]", '"db" is named twice')
    ]


@pytest.mark.parametrize("field", ["setup", "landing_checks"])
@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("", "is empty"),
        ("# later", "is only a comment"),
        ("a\0b", "control character"),
        ("`ls`", "in backquotes"),
    ],
)
def test_commands_are_checked_like_checks(field: str, command: str, problem: str) -> None:
    fields: dict[str, Any] = {field: ("make", command)}
    place, message = fault_of(**fields)

    assert place == f"tasks[0].{field}[1]"
    assert problem in message


@pytest.mark.parametrize("path", ["../x", "/etc", "~/x", ".git/config", "", "node_modules/*"])
def test_what_is_kept_lies_in_the_project_and_is_named(path: str) -> None:
    assert fault_of(keep=("ok", path))[0] == "tasks[0].keep[1]"


@pytest.mark.parametrize("path", ["../*.png", "/tmp/*", "a/../../b", ".git/*", "", "{a,b}.xml"])
def test_artifacts_lie_in_the_project(path: str) -> None:
    assert fault_of(artifacts=("ok", path))[0] == "tasks[0].artifacts[1]"


def test_artifacts_may_be_patterns() -> None:
    check_plan([planned(artifacts=("shots/*.png", "**/report?.xml", "coverage.xml"))], {})


def test_what_is_unlikely_is_warned_of_in_each_list() -> None:
    odd = planned(
        keep=("a.py (new)",),
        artifacts=("x.py and y.py",),
        setup=("cat a.py#L1",),
        landing_checks=("cat b.py#L1",),
    )

    places = [warning.place for warning in check_plan([odd], {}).warnings]

    assert places == [f"tasks[0].{name}[0]" for name in ("keep", "artifacts", "setup", "landing_checks")]


def test_files_are_needed_once_and_by_their_outer_folder() -> None:
    definition = planned(
        files=("./src//a.py", "src/a.py", "docs", "docs/x/y.md", "lib/"), exclusive=("db",)
    ).definition

    assert needs_of(definition, with_files=True) == (("db",), ["/docs", "/lib", "/src/a.py"])
    assert needs_of(definition, with_files=False) == (("db",), ())


def test_the_folders_of_a_file_are_those_inside_the_project() -> None:
    assert folders_of("/a/b/c.py") == ["/a/b", "/a"]
    assert folders_of("/a") == []
