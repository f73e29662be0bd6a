"""Files of other tools as plans. The files in `formats` have the structure of public ones: their texts are replaced."""

from pathlib import Path
from typing import Final

import pytest

from amplifier_swarm.plan.foreign import FormatName
from amplifier_swarm.plan.read import plan_of
from amplifier_swarm.plan.source import Source
from amplifier_swarm.plan.write import plan_text
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import TaskStatus
from support.predecessor import make_database
from swarmctl.formats.convert import Converted, convert

FILES: Final = Path(__file__).parent / "formats"
# For each file its format, its tasks, its dependencies, and the kinds of its notes.
COUNTS: Final = {
    "taskmaster-mixed.json": (FormatName.TASKMASTER, 60, 124, []),
    "taskmaster-numbers.json": (FormatName.TASKMASTER, 23, 42, []),
    "taskmaster-texts.json": (FormatName.TASKMASTER, 54, 87, ["assignee", "in-progress"]),
    "speckit-stories.md": (FormatName.SPECKIT, 48, 70, []),
    "speckit-depends.md": (FormatName.SPECKIT, 137, 397, []),
    "speckit-twice.md": (FormatName.SPECKIT, 75, 913, ["T024 is there twice", "without an id"]),
    "beads-epic.jsonl": (FormatName.BEADS, 7, 17, ["comments"]),
    "beads-large.jsonl": (
        FormatName.BEADS,
        29,
        29,
        ["is a part", "in_progress", "labels", "not in this file"],
    ),
    "beads-dotted.jsonl": (FormatName.BEADS, 38, 24, ["discovered-from", "tombstone", "defer_until"]),
    "jira-blocks.csv": (FormatName.CSV, 23, 1, ["Components", '"APP-14", which is not in this file']),
    "jira-done.csv": (FormatName.CSV, 5, 0, []),
    "jira-parents.csv": (FormatName.CSV, 30, 17, ["Labels", '"GAME-28" is not in this file', "In Progress"]),
    "github-labels.json": (FormatName.GITHUB_JSON, 12, 0, ["labels"]),
    "github-states.json": (FormatName.GITHUB_JSON, 12, 0, []),
    "github-utf16.json": (FormatName.GITHUB_JSON, 12, 0, ["labels"]),
}


def converted(text: str | bytes, name: str, folder: Path, form: FormatName = FormatName.AUTO) -> Converted:
    """Returns the plan of a text that is a file of this name."""
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return convert(str(file), form)


def by_id(found: Converted) -> dict[str, PlannedTask]:
    return {task.definition.task_id: task for task in found.plan.tasks}


def edges(found: Converted) -> dict[str, list[str]]:
    return {task_id: list(task.definition.dependencies) for task_id, task in by_id(found).items()}


def notes(found: Converted) -> list[str]:
    return [note.text("FILE") for note in found.plan.warnings]


@pytest.mark.parametrize("name", COUNTS)
def test_a_real_file_keeps_its_tasks_and_links_and_says_what_it_lost(name: str) -> None:
    form, tasks, links, kinds = COUNTS[name]

    found = convert(str(FILES / name), FormatName.AUTO)

    assert (found.format, len(found.plan.tasks), found.edges) == (form, tasks, links)
    said = notes(found)
    assert all(any(kind in note for note in said) for kind in kinds)
    assert bool(said) is bool(kinds)
    assert all(note.line for note in found.plan.warnings)


@pytest.mark.parametrize("name", COUNTS)
def test_the_task_file_of_a_conversion_reads_back_as_the_same_plan(name: str) -> None:
    first, second = (convert(str(FILES / name), FormatName.AUTO).plan for _ in range(2))
    text = "".join(plan_text(first.tasks))
    read = plan_of(Source("tasks.yaml", text), strict=True)

    assert "".join(plan_text(second.tasks)) == text
    assert "".join(plan_text(read.tasks)) == text
    assert [task.definition for task in read.tasks] == [task.definition for task in first.tasks]


def test_task_master_subtasks_inherit_and_their_task_waits_for_them() -> None:
    found = convert(str(FILES / "taskmaster-mixed.json"), FormatName.TASKMASTER)
    wanted, tasks = edges(found), by_id(found)

    assert wanted["1.2"] == ["1.1"]
    assert wanted["2"] == ["1", "2.1", "2.2", "2.3", "2.4", "2.5"]
    assert wanted["2.1"] == ["1"]
    assert wanted["2.4"] == ["2.1"]
    definition = tasks["1"].definition
    assert definition.description == "The work of part 1.\n\nDetails of part 1,\nin two lines."
    assert list(definition.acceptance_criteria) == ["Part 1 does what it says."]
    assert definition.priority == 3
    assert tasks["1"].status == TaskStatus.TASK_STATUS_COMPLETED


def test_task_master_numbers_of_subtasks_are_siblings_and_tags_keep_apart(tmp_path: Path) -> None:
    text = """{"master": {"tasks": [{"id": 1, "title": "a"},
      {"id": 2, "title": "b", "subtasks": [{"id": 1, "title": "c"}, {"id": 2, "title": "d", "dependencies": [1]},
       {"id": 3, "title": "e", "dependencies": ["1", 9]}]}]},
     "login": {"tasks": [{"id": 1, "title": "f", "status": "deferred"},
      {"id": 2, "title": "g", "status": "cancelled", "dependencies": [1]},
      {"id": 3, "title": "h", "dependencies": [2]}]}}"""

    found = converted(text, "tasks.json", tmp_path)

    assert edges(found) == {
        "1": [],
        "2": ["2.1", "2.2", "2.3"],
        "2.1": [],
        "2.2": ["2.1"],
        "2.3": ["2.1"],
        "login-1": [],
        "login-2": ["login-1"],
        "login-3": [],
    }
    assert by_id(found)["login-1"].definition.phase == "login"
    assert by_id(found)["login-2"].status == TaskStatus.TASK_STATUS_KILLED
    assert notes(found) == [
        'FILE:3: "2.3" waits for "9", which is not in this file; no dependency',
        'FILE:4: the status "deferred" becomes approve: before-start; `swarmctl approve` starts it',
        'FILE:6: "login-3" waits for "login-2", which is cancelled; no dependency',
    ]


def test_spec_kit_phases_follow_each_other_and_stories_run_side_by_side(tmp_path: Path) -> None:
    text = """# Tasks
**Input**: Design documents from `/specs/007-a-feature/`
**Prerequisites**: plan.md (required), spec.md (required)

## Phase 1: Setup
- [x] T001 Make the folder
- [ ] T002 [P] Add the linter
- [ ] T003 [P] Add the tests

## Phase 2: User Story 1 - Log in (Priority: P1)
### Tests
- [ ] T004 [P] [US1] Write the contract test
- [ ] T005 [US1] Write the service (depends on T004)
  - keep the old name
- [ ] T006 [US1] Add the route

## Phase 3: User Story 2 - Log out
- [ ] **T007** [US2] Write it

## Phase 4: Polish
- [ ] T008 [P] Write the docs, after T005-T007

```
- [ ] T009 an example
```
"""

    found = converted(text, "tasks.md", tmp_path)

    assert edges(found) == {
        "T001": [],
        "T002": [],
        "T003": [],
        "T004": ["T001", "T002", "T003"],
        "T005": ["T004"],
        "T006": ["T005"],
        "T007": ["T001", "T002", "T003"],
        "T008": ["T005", "T006", "T007"],
    }
    task = by_id(found)["T005"].definition
    assert (task.name, task.description) == ("Write the service (depends on T004)", "- keep the old name")
    assert task.phase == "Phase 2: User Story 1 - Log in (Priority: P1)"
    assert list(task.design_docs) == ["specs/007-a-feature/spec.md", "specs/007-a-feature/plan.md"]
    assert by_id(found)["T001"].status == TaskStatus.TASK_STATUS_COMPLETED


def test_spec_kit_marks_of_parallel_tasks_make_no_edge_within_the_phase(tmp_path: Path) -> None:
    text = "## Phase 1\n- [ ] T001 a\n- [ ] T002 [P] b\n- [ ] T003 [P] c\n- [ ] T004 d\n- [ ] T005 e\n"

    found = edges(converted(text, "tasks.md", tmp_path, FormatName.SPECKIT))

    assert found == {"T001": [], "T002": [], "T003": [], "T004": ["T001", "T002", "T003"], "T005": ["T004"]}


def test_beads_epics_wait_for_their_parts() -> None:
    found = convert(str(FILES / "beads-epic.jsonl"), FormatName.BEADS)

    assert edges(found)["op-gld"] == [f"op-gld.{i}" for i in range(1, 7)]
    assert edges(found)["op-gld.4"] == ["op-gld.1", "op-gld.2"]
    part = by_id(found)["op-gld.1"]
    assert (part.definition.type, part.definition.estimated_hours, part.definition.priority) == ("task", 8, 4)
    assert len(part.definition.acceptance_criteria) == 4
    assert part.status == TaskStatus.TASK_STATUS_COMPLETED


def test_jira_blocks_and_parents_are_dependencies_in_the_right_direction(tmp_path: Path) -> None:
    text = (
        "Issue key,Issue id,Summary,Issue Type,Status,Resolution,Priority,Original estimate,Parent,"
        "Inward issue link (Blocks),Inward issue link (Blocks),Outward issue link (Blocks),Description\n"
        'A-1,101,Epic,Epic,To Do,,Highest,,,,,,"Two\nlines, and ""quotes"""\n'
        "A-2,102,First,Task,Done,Done,Low,7200,101,,,A-3,\n"
        "A-3,103,Second,Task,To Do,,Medium,,101,,A-4,,\n"
        "A-4,104,Never,Task,Closed,Won't Do,Lowest,,,,,,\n"
        "A-5,105,Last,Bug,In Progress,,P9,,,A-1,103,,=1+1\n"
    )

    found = converted(text, "jira.csv", tmp_path)

    assert edges(found) == {
        "A-1": ["A-2", "A-3"],
        "A-2": [],
        "A-3": ["A-2"],
        "A-4": [],
        "A-5": ["A-1", "A-3"],
    }
    tasks = by_id(found)
    assert tasks["A-1"].definition.description == 'Two\nlines, and "quotes"'
    assert [tasks[f"A-{i}"].definition.priority for i in (1, 2, 3, 4, 5)] == [4, 1, 2, 0, 0]
    assert not tasks["A-5"].definition.HasField("priority")
    assert tasks["A-2"].definition.estimated_hours == 2
    assert tasks["A-4"].status == TaskStatus.TASK_STATUS_KILLED
    assert tasks["A-5"].definition.description == "=1+1"
    assert [note.split(": ", 1)[0] for note in notes(found)] == ["FILE:5", "FILE:7", "FILE:7"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", b"ID;Title;Depends on\n1;Grundstein f\xfcr\n;2\n"),
        ("a.tsv", "ID\tTitle\tDepends on\n1\tErste\t\n2\tZweite\t1\n"),
        ("a.csv", "\ufeffID;Title;Depends on\n1;Erste;\n2;Zweite;1\n"),
        ("a.csv", "ID|Title|Blocked by\n1|Erste|\n2|Zweite|#1\n".encode("utf-16")),
    ],
)  # fmt: skip
def test_delimiter_and_encoding_of_a_table_are_found(name: str, text: str | bytes, tmp_path: Path) -> None:
    if b"f\xfcr" in (text if isinstance(text, bytes) else b""):
        text = b"ID;Title;Depends on\n1;Grundstein f\xfcr;\n2;Dach;1\n"

    found = converted(text, name, tmp_path)

    assert edges(found) == {"1": [], "2": ["1"]}


def test_github_links_and_texts_are_dependencies(tmp_path: Path) -> None:
    text = """[
 {"number": 1, "title": "Epic", "state": "OPEN", "subIssues": {"nodes": [{"number": 2}]}, "body": "About #6"},
 {"number": 2, "title": "a", "state": "CLOSED", "stateReason": "COMPLETED", "body": null},
 {"number": 3, "title": "b", "state": "OPEN", "parent": {"number": 1}, "body": "Blocked by: #2 and #9.\\nSee #4",
  "labels": [{"name": "priority/P1"}]},
 {"number": 4, "title": "c", "state": "CLOSED", "stateReason": "NOT_PLANNED", "blocking": [{"number": 3}],
  "milestone": {"title": "M1"}},
 {"number": 5, "title": "d", "pull_request": {"url": "x"}},
 {"number": 6, "title": "e", "state": "open", "blockedBy": [{"number": 3}], "body": "requires other/repo#2"}
]"""

    found = converted(text, "issues.json", tmp_path)

    assert edges(found) == {
        "gh-1": ["gh-2", "gh-3"],
        "gh-2": [],
        "gh-3": ["gh-2"],
        "gh-4": [],
        "gh-6": ["gh-3"],
    }
    assert by_id(found)["gh-3"].definition.priority == 3
    assert by_id(found)["gh-4"].definition.phase == "M1"
    assert notes(found) == [
        'FILE:4: "gh-3" waits for "gh-9", which is not in this file; no dependency',
        'FILE:6: "gh-3" waits for "gh-4", which is cancelled; no dependency',
        "FILE:8: a pull request is left out",
    ]


def test_the_database_of_the_predecessor_keeps_order_statuses_and_dependencies(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    make_database(file)

    found = convert(str(file), FormatName.AUTO)

    assert (found.format, len(found.plan.tasks), found.edges) == (FormatName.PREDECESSOR_DB, 6, 3)
    assert edges(found)["2.6.1.b"] == ["2.6.1.a"]
    task = by_id(found)["2.6.1.a"]
    assert task.status == TaskStatus.TASK_STATUS_COMPLETED
    assert list(task.definition.acceptance_criteria) == ["A user can log in", "A token ends after a day"]
    assert list(task.definition.files) == ["src/login.py"]
    assert (task.definition.priority, task.definition.max_retries, task.definition.type) == (
        3,
        2,
        "implementation",
    )
    assert task.definition.description.splitlines()[:2] == [
        "What the predecessor recorded:",
        "2026-01-24 09:30:15 claimed worker-1-1737710620: Task claimed by worker worker-1-1737710620",
    ]
    failed = by_id(found)["2.6.2"]
    assert failed.status == TaskStatus.TASK_STATUS_FAILED
    assert failed.definition.description.endswith("the tests are red\n\nIts last error:\nthe tests are red")
    assert by_id(found)["2.6.3"].status == TaskStatus.TASK_STATUS_KILLED
    assert notes(found) == [
        'FILE:2: the status "in_progress" is not carried; the task begins again',
        'FILE:5: "2.6.4" waits for "9.9", which is not in this file; no dependency',
        'FILE:6: "/etc/passwd" in files is not a relative path; left out',
    ]
