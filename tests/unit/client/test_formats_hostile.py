"""Files of other tools that are broken or mean harm: each is refused in one line, or carried without harm."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.foreign import FormatName
from swarmctl.formats.convert import convert
from unit.client.conftest import Ctl
from unit.client.test_formats import by_id, converted, edges, notes

T, S, B, C, G, P = (
    FormatName.TASKMASTER,
    FormatName.SPECKIT,
    FormatName.BEADS,
    FormatName.CSV,
    FormatName.GITHUB_JSON,
    FormatName.PREDECESSOR_DB,
)
DEEP = '{"tasks": ' + "[" * 5_000 + "]" * 5_000 + "}"


@pytest.mark.parametrize(
    ("form", "text", "problem"),
    [
        (T, '{"tasks": 1}', 'no list "tasks"'),
        (T, '{"tasks": []}', "no task is in this file"),
        (T, '{"tasks": [{"id": 1, "title": "a"}, {"id": 1, "title": "b"}]}', 'duplicate task id "1" (first at line 1)'),
        (T, '{"tasks": [{"id": 1, "id": 2}]}', 'duplicate key "id"'),
        (T, '{"tasks": [{"id": 1,}]}', "not valid JSON"),
        (T, DEEP, "nesting deeper than 20"),
        (T, "a: &x [1]\nb: [*x, *x]\n", "not valid JSON"),
        (S, "# Tasks\n\nNo list\n", "no task is in this file"),
        (B, '{"id": "a"}\n[1]\n', "a line must be one JSON object"),
        (B, '{"id": "a", "title": "x"}\n{"id": "a", "title": "y"}\n', 'duplicate task id "a"'),
        (B, '{"id": "a"\n', "not valid JSON"),
        (C, "Colour,Shape\nred,round\n", "no column is an id or a title"),
        (C, 'ID,Title\n1,"never closed\n2,x\n', "not a table that can be read"),
        (C, "ID,Title\n1,a\n1,b\n", 'duplicate task id "1"'),
        (C, "", "no column is an id"),
        (G, '{"number": 1}', "no list of issues"),
        (G, "[]", "no task is in this file"),
        (P, "id,name\n", "not a database of SQLite"),
        (C, b"\x00\x01\x02\x03" * 50, "this is not a text"),
        (FormatName.AUTO, b"PK\x03\x04zip and more", "a spreadsheet or an archive"),
        (FormatName.AUTO, "tasks:\n  - id: a\n", "the format is not known"),
        (FormatName.AUTO, '[{"iid": 1, "title": "x"}]', "GitLab issues; make a task of each entry"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_is_refused_in_one_line(
    form: FormatName, text: str | bytes, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(PlanRefused) as refused:
        converted(text, "file", tmp_path, form)

    line = refused.value.line("swarmctl")
    assert "\n" not in line
    assert problem in line


def test_a_database_of_another_program_is_refused_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE other (a)")
    before = file.read_bytes()
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(before[:100] + b"\xff" * 4000)

    for path, form in ((file, FormatName.AUTO), (damaged, P), (file, C)):
        with pytest.raises(PlanRefused, match="is not imported"):
            convert(str(path), form)
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.db", "tasks.db"]


def test_a_cycle_of_the_file_is_refused_and_one_of_parents_is_opened(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "cycle.csv").write_text("ID,Title,Depends on\n1,a,3\n2,b,1\n3,c,2\n")
    (tmp_path / "parents.csv").write_text(
        "ID,Title,Parent,Depends on\n1,a,2,\n2,b,1,\n3,c,,1\n4,d,1,3\n5,e,5,5\n"
    )

    cycle = ctl("convert", "cycle.csv")
    parents = ctl("convert", "parents.csv")

    assert (cycle.code, cycle.out) == (2, "")
    assert cycle.err.startswith(
        'cycle.csv:2: task "1": dependencies: dependency cycle: 1 -> 3 -> 2 -> 1; remove one'
    )
    assert parents.code == 0
    assert parents.err.splitlines() == [
        'not carried: parents.csv:2: "2" can\'t wait for "1", which waits for it; no dependency',
        'not carried: parents.csv:3: "1" can\'t wait for "2", which waits for it; no dependency',
        'not carried: parents.csv:5: "1" can\'t wait for "4", which waits for it; no dependency',
        'not carried: parents.csv:6: "5" is its own parent; left out',
        'not carried: parents.csv:6: "5" waits for itself; no dependency',
        "parents.csv: csv, 5 tasks, 2 dependencies; 5 notes on what is not carried",
    ]


def test_ids_that_are_none_are_made_and_never_meet(tmp_path: Path) -> None:
    text = 'Key,Title,Depends on\nA b,a,\nA-b,b,"A-b, ../x"\n../x,c,a-B\na-B,d,\n日本,e,\n'

    found = converted(text, "a.csv", tmp_path)

    assert edges(found) == {"A-b-3": [], "A-b": ["x"], "x": ["a-B-2"], "a-B-2": [], "task": []}
    assert sum("the id of a task is changed" in note for note in notes(found)) == 4


def test_control_characters_formulas_and_yaml_are_text(ctl: Ctl, tmp_path: Path) -> None:
    title = "=cmd|' /C calc'!A0 \x1b[31m: {a: *b} # no comment"
    (tmp_path / "a.json").write_text(
        json.dumps([{"number": 1, "title": title, "body": "- &a\n<<: *a\ny\u2028z"}])
    )

    done = ctl("convert", "a.json")
    (tmp_path / "b.yaml").write_text(done.out)
    again = ctl("plan", "b.yaml", "--no-server")

    assert (done.code, again.code) == (0, 0)
    assert "\x1b" not in done.out + done.err
    assert "control characters in name are left out" in done.err
    name = by_id(convert(str(tmp_path / "a.json"), G))["gh-1"].definition.name
    assert name == "=cmd|' /C calc'!A0 [31m: {a: *b} # no comment"


def test_ten_mebibytes_are_read_in_seconds(tmp_path: Path) -> None:
    lines = [
        json.dumps({"id": f"bd-{i}", "title": "x", "description": "y" * 1_900,
                    "dependencies": [{"depends_on_id": f"bd-{i - 1}", "type": "blocks"}] if i else []})
        for i in range(5_300)
    ]  # fmt: skip
    begin = time.process_time()

    found = converted("\n".join(lines), "issues.jsonl", tmp_path)

    assert (len(found.plan.tasks), found.edges) == (5_300, 5_299)
    assert time.process_time() - begin < 30
