"""Task lists of other tools: each is named in one line with the way in; a plan with a fault is not taken for one."""

import pytest

from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.read import plan_of
from amplifier_swarm.plan.source import Source

FILES = {
    "Task Master": (
        ("tasks.json", '{"master": {"tasks": [{"id": 1, "title": "Init", "testStrategy": "y", "subtasks": []}]}}'),
        ("tasks.json", '{"tasks": [{"id": 1, "title": "Init", "details": "x"}]}'),
    ),
    "spec-kit": (("tasks.md", "# Tasks\n\n- [ ] T012 [P] Do it in src/a.py\n- [x] T003 Set up\n"),),
    "Markdown checklist": (("todo.md", "- [ ] one\n- [x] two\n"), ("notes", "# Plan\n\n* [ ] one\n")),
    "Markdown file": (("plan.md", "# Plan\n\nFirst this, then that.\n"), ("plan", "# Plan\n\n| a | b |\n|---|---|\n")),
    "beads": (
        ("issues.jsonl", '{"id": "bd-1", "dependencies": [{"depends_on_id": "bd-2"}]}\n{"id": "bd-2"}\n'),
        ("issues.jsonl", '{"id": "bd-1", "title": "x", "issue_type": "task"}\n{"id": "bd-2"}\n'),
    ),
    "JSON lines": (("a.jsonl", '{"a": 1}\n{"a": 2}\n'),),
    "CSV file of Jira": (("jira.csv", 'Issue key,Summary,"Inward issue link (Blocks)"\nA-1,Do it,A-2\n'),),
    "CSV file": (("a.csv", "id;name\n1;x\n"), ("a.tsv", "id\tname\n1\tx\n"), ("plan", "ID,Title,Status\n1,x,open\n")),
    "GitHub issues": (("issues.json", '[{"number": 1, "title": "x", "body": "", "labels": []}]'),),
    "GitLab issues": (("issues.json", '[{"iid": 1, "title": "x"}]'),),
    "Linear": (("a.json", '[{"identifier": "A-1", "title": "x"}]'),),
    "Jira issues": (("a.json", '[{"key": "A-1", "fields": {}}]'),),
    "to-do list": (("a.json", '[{"content": "x", "activeForm": "y"}]'), ("a.json", '{"todos": []}')),
    "Trello": (("board.json", '{"cards": [], "lists": []}'),),
    "GitHub Actions": (("ci.yml", "name: ci\non: push\njobs:\n  a: {}\n"),),
    "Compose": (("compose.yaml", "services:\n  a: {}\n"),),
    "bare list": (("a.json", '[{"id": "a", "name": "x"}]'),),
    "XML": (("plan.xml", '<?xml version="1.0"?><Project/>'),),
    "TOML": (("plan.toml", '[[tasks]]\nid = "a"\n'),),
    "tasks.json of an editor": (("tasks.json", '{"version": "2.0.0", "tasks": [{"label": "b", "type": "shell"}]}'),),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "text"), [(name, *file) for name, files in FILES.items() for file in files]
)
def test_a_file_of_another_tool_is_named_with_the_way_in(name: str, file: str, text: str) -> None:
    with pytest.raises(PlanRefused) as refused:
        plan_of(Source(file, text))

    line = refused.value.line("swarmctl")
    assert "\n" not in line
    assert line.startswith(f"{file}: this looks like ")
    assert name in line
    assert "; " in line


@pytest.mark.parametrize(
    "text",
    [
        "tasks:\n  - id: a\n    priority: x\n    description: |\n      - [ ] T012 do it\n",
        "# Plan\n\ntasks:\n  - id: 1\n",
        '{"tasks": [{"id": "a", "title": "x", "priority": "x"}]}',
        '{"tasks": [{"id": "a", "priority": "x", "subtasks": []}]}',
        "tasks:\n  - id: a\n    priority: x, y\nservices: {}\n",
        "a: b\n",
        "",
    ],
)  # fmt: skip
def test_a_plan_with_a_fault_keeps_its_own_lines(text: str) -> None:
    with pytest.raises(PlanRefused) as refused:
        plan_of(Source("plan.yaml", text))

    assert "looks like" not in refused.value.line("swarmctl")
