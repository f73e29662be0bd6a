"""Faulty task files: the exact line for each, and nothing sent."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.read import MAX_TASK_BYTES, plan_of, read_plan
from amplifier_swarm.plan.source import MAX_BYTES, Source

PRIORITY = "must be critical, high, medium, low or an integer from -1000 to 1000, got"
NO_ALIASES = "YAML anchors and aliases are not allowed; write the value out"

# A plan of one task whose named field has the value.
FIELD = 'tasks:\n  - id: "a"\n    {}\n'

CASES = {
    "duplicate key": (
        'tasks:\n  - id: "a"\n    name: x\n    id: "b"\n',
        '4: task "a": id: duplicate key "id" (first at line 2); keep one',
    ),
    "duplicate id": (
        "tasks:\n  - id: a\n  - id: b\n  - id: a\n",
        '4: task "a": id: duplicate task id "a" (first at line 2); give it another',
    ),
    "duplicate id on one line": (
        "tasks: [{id: a}, {id: a}]\n",
        '1: task "a": id: duplicate task id "a" (first at line 1); give it another',
    ),
    "dependencies as text": (
        FIELD.format("dependencies: a,b"),
        '3: task "a": dependencies: must be a list of task ids, got text; put it in [ ]',
    ),
    "dependencies as a mapping": (
        FIELD.format("dependencies: {b: c}"),
        '3: task "a": dependencies: must be a list of task ids, got a mapping; put it in [ ]',
    ),
    "a number as a dependency": (
        FIELD.format("dependencies: [b, 1]"),
        '3: task "a": dependencies[1]: must be text; YAML read it as integer 1. Quote it: "1"',
    ),
    "nothing as a dependency": (
        FIELD.format("dependencies:\n      - b\n      -"),
        '5: task "a": dependencies[1]: must be text; YAML read it as null. Write it out, or remove it',
    ),
    "a limit that is not one": (
        FIELD.format("limits: {disk: 4G}"),
        '3: task "a": limits.disk: is not a limit; known: memory, cpus, pids',
    ),
    "memory without a number": (
        FIELD.format("limits: {memory: lots}"),
        '3: task "a": limits.memory: must be a size such as 512M or 4G, got text "lots"',
    ),
    "no processors": (
        FIELD.format("limits: {cpus: 0}"),
        '3: task "a": limits.cpus: must be a number of processors above 0, got integer 0',
    ),
    "limits as text": (
        FIELD.format("limits: 4G"),
        '3: task "a": limits: must be a mapping of memory, cpus, pids, got text "4G"',
    ),
    "an unknown sandbox": (
        FIELD.format("sandbox: jail"),
        '3: task "a": sandbox: must be none, auto, bwrap or container, got text "jail"',
    ),
    "no id": ("tasks:\n  - name: x\n", "2: task #1: id is required; give the task one of its own"),
    "empty id": ('tasks:\n  - id: ""\n', "2: task #1: id is required; give the task one of its own"),
    "null id": ("tasks:\n  - id: ~\n", "2: task #1: id is required; give the task one of its own"),
    "blank id": ('tasks:\n  - id: "  "\n', "2: task #1: id is required; give the task one of its own"),
    "boolean id": (
        "tasks:\n  - id: yes\n",
        '2: task "yes": id: must be text; YAML read it as boolean true. Quote it: id: "yes"',
    ),
    "octal id": (
        "tasks:\n  - id: 0123\n",
        '2: task "0123": id: must be text; YAML read it as integer 83. Quote it: id: "0123"',
    ),
    "sexagesimal id": (
        "tasks:\n  - id: 12:30:45\n",
        '2: task "12:30:45": id: must be text; YAML read it as integer 45045. Quote it: id: "12:30:45"',
    ),
    "number id": (
        "tasks:\n  - id: 1.0\n",
        '2: task "1.0": id: must be text; YAML read it as number 1.0. Quote it: id: "1.0"',
    ),
    "date id": (
        "tasks:\n  - id: 2026-01-26\n",
        '2: task "2026-01-26": id: must be text; YAML read it as date 2026-01-26. Quote it: id: "2026-01-26"',
    ),
    "list id": ("tasks:\n  - id: [a]\n", "2: task #1: id: must be text; YAML read it as a list"),
    "escaped NUL": (
        FIELD.format('name: "x\\0"'),
        '3: task "a": name: control character U+0000 not allowed in name; remove it',
    ),
    "escaped ESC in a list": (
        FIELD.format('files: ["\\e[31m"]'),
        '3: task "a": files[0]: control character U+001B not allowed in files[0]; remove it',
    ),
    "half a surrogate pair": (
        FIELD.format('name: "\\ud800"'),
        (
            "3: not valid YAML: while parsing a quoted scalar, found invalid Unicode character escape code; "
            "see that the indentation is even and what opens is closed"
        ),
    ),
    "anchor": (FIELD.format("name: &x y"), f'3: task "a": name: {NO_ALIASES}'),
    "anchor at the top": ("x: &x y\ntasks: []\n", f"1: x: {NO_ALIASES}"),
    "merge key": (
        FIELD.format("<<: {name: x}"),
        '3: task "a": YAML merge keys are not allowed; write the fields out, or use defaults',
    ),
    "flow bomb": ("tasks: " + "[" * 100_000, "1: nesting deeper than 20; no task needs that"),
    "block bomb": ("- " * 100_000, "1: nesting deeper than 20; no task needs that"),
    "mapping bomb": ("{a: " * 100_000, "1: nesting deeper than 20; no task needs that"),
    "empty file": ("", '1: top level must be a mapping with "tasks", got an empty file'),
    "only a comment": ("# x\n", '1: top level must be a mapping with "tasks", got an empty file'),
    "a scalar": ("hello\n", '1: top level must be a mapping with "tasks", got text "hello"'),
    "a list": ("- id: a\n", '1: top level must be a mapping with "tasks", got a list'),
    "tasks is null": ("tasks:\n", "1: tasks: must be a list of tasks, got null"),
    "tasks is a mapping": ("tasks: {}\n", "1: tasks: must be a list of tasks, got a mapping"),
    "tasks is text": ("tasks: x\n", '1: tasks: must be a list of tasks, got text "x"'),
    "no tasks": ("version: 1\n", '1: top level must be a mapping with "tasks"'),
    "typo at the top": ("task: []\n", '1: unknown key "task"; did you mean "tasks"?'),
    "a task is text": ("tasks: [a]\n", '1: task #1: must be a mapping of fields, got text "a"'),
    "two documents": ("tasks: []\n---\nx: 1\n", "2: expected a single document; remove what follows ---"),
    "tab": (
        "tasks:\n\t- id: a\n",
        (
            "2: not valid YAML: while scanning for the next token, found character that cannot start any "
            "token; indent with spaces, not tabs"
        ),
    ),
    "unclosed quote": (
        "tasks:\n  - id: 'a\n    name: x\n",
        (
            "2: not valid YAML: while scanning a quoted scalar, found unexpected end of stream; "
            "close the quote or bracket that opens here"
        ),
    ),
    "unquoted colon": (
        FIELD.format("name: a: b"),
        '3: not valid YAML: mapping values are not allowed in this context; quote the text if it holds ": "',
    ),
    "object tag": (
        FIELD.format("name: !!python/object/apply:os.system [id]"),
        '3: task "a": name: YAML tags are not allowed; remove it',
    ),
    "binary tag": (
        FIELD.format("name: !!binary aGk="),
        '3: task "a": name: YAML tags are not allowed; remove it',
    ),
    "complex key": (FIELD.format("? [b]\n    : c"), '3: task "a": a key must be text; quote it'),
    "priority as text": (FIELD.format("priority: 1e3"), f'3: task "a": priority: {PRIORITY} text "1e3"'),
    "priority nan": (FIELD.format("priority: .nan"), f'3: task "a": priority: {PRIORITY} number .nan'),
    "priority beyond 64 bits": (
        FIELD.format("priority: 9223372036854775808"),
        f'3: task "a": priority: {PRIORITY} integer 9223372036854775808',
    ),
    "priority of 5,000 digits": (
        FIELD.format("priority: " + "9" * 5_000),
        f'3: task "a": priority: {PRIORITY} integer "{"9" * 60}…"',
    ),
    "priority beyond its range": (
        FIELD.format("priority: 1001"),
        f'3: task "a": priority: {PRIORITY} integer 1001',
    ),
    "priority by another word": (
        FIELD.format("priority: urgent"),
        f'3: task "a": priority: {PRIORITY} text "urgent"',
    ),
    "priority true": (FIELD.format("priority: true"), f'3: task "a": priority: {PRIORITY} boolean true'),
    "hours in words": (
        FIELD.format("estimated_hours: two"),
        '3: task "a": estimated_hours: must be a number of hours, got text "two"',
    ),
    "hours without end": (
        FIELD.format("estimated_hours: .inf"),
        '3: task "a": estimated_hours: must be a number of hours, got number .inf',
    ),
    "retries as text": (
        FIELD.format("max_retries: 1e9"),
        '3: task "a": max_retries: must be an integer from 0 to 100, got text "1e9"',
    ),
    "retries beyond 32 bits": (
        FIELD.format("max_retries: 4294967296"),
        '3: task "a": max_retries: must be an integer from 0 to 100, got integer 4294967296',
    ),
    "timeout with a unit": (
        FIELD.format("builder_timeout: 1h30"),
        '3: task "a": builder_timeout: must be a number of seconds, got text "1h30"',
    ),
    "timeout of an age": (
        FIELD.format("validator_timeout: 1000000000000"),
        '3: task "a": validator_timeout: must be a number of seconds up to 7 days, got integer 1000000000000',
    ),
    "validate in words": (
        FIELD.format("validate: maybe"),
        '3: task "a": validate: must be true or false, got text "maybe"',
    ),
    "unknown field that looks like one": (
        FIELD.format("depend: [b]"),
        '3: task "a": unknown field "depend"; did you mean "dependencies"?',
    ),
    "a synonym": (
        FIELD.format("depends_on: [b]"),
        '3: task "a": unknown field "depends_on"; did you mean "dependencies"?',
    ),
    "status by another word": (
        FIELD.format("status: done"),
        (
            '3: task "a": status: must be blocked, not_started, claimed, in_progress, killing, completed, '
            'failed, killed, skipped or held, got text "done"'
        ),
    ),
    "policy by another word": (
        FIELD.format("on_dependency_failure: ignore"),
        '3: task "a": on_dependency_failure: must be skip, run or block, got text "ignore"',
    ),
    "files as text": (
        FIELD.format("files: src/a.py"),
        '3: task "a": files: must be a list of paths, got text; put it in [ ]',
    ),
    "a criterion with a colon": (
        FIELD.format("acceptance_criteria:\n      - given x: then y"),
        '4: task "a": acceptance_criteria[0]: must be text, got a mapping; quote the text if it holds ": "',
    ),
    "labels as a list": (
        FIELD.format("labels: [gpu]"),
        '3: task "a": labels: must be a mapping of names to texts, got a list',
    ),
    "rehearsal as text": (
        FIELD.format("rehearsal: x"),
        '3: task "a": rehearsal: must be a mapping with builder and validator, got text "x"',
    ),
    "two tools in a call": (
        FIELD.format("rehearsal: {builder: [{calls: [{bash: {}, read_file: {}}]}]}"),
        (
            '3: task "a": rehearsal.builder[0].calls[0]: must be one TOOL: {argument: text}, got 2 keys; '
            "begin each with -"
        ),
    ),
    "unknown field of a script": (
        FIELD.format("rehearsal: {builder: [{say: x}]}"),
        '3: task "a": rehearsal.builder[0].say: unknown field "say"; a script has calls and reply',
    ),
    "an id among the defaults": (
        "defaults: {id: x}\ntasks: []\n",
        "1: defaults: id: an id can't be shared; remove it",
    ),
    "a fault among the defaults": (
        "defaults:\n  priority: urgent\ntasks: [{id: a}, {id: b}]\n",
        f'2: defaults: priority: {PRIORITY} text "urgent"',
    ),
    "a label whose name can't be sent": (
        '{"tasks": [{"id": "a", "labels": {"\\ud800": "x"}}]}',
        '1: task "a": labels: control character U+D800 not allowed in labels; remove it',
    ),
    "an exclusive name that can't be sent": (
        '{"concurrency": {"\\ud800": 1}, "tasks": []}',
        "1: concurrency: control character U+D800 not allowed in concurrency; remove it",
    ),
    "a tool that can't be sent": (
        '{"tasks": [{"id": "a", "rehearsal": {"builder": [{"calls": [{"\\ud800": {}}]}]}}]}',
        (
            '1: task "a": rehearsal.builder[0].calls[0]: control character U+D800 not allowed in '
            "rehearsal.builder[0].calls[0]; remove it"
        ),
    ),
    "an unknown workspace": (
        FIELD.format("workspace: worktree"),
        '3: task "a": workspace: must be shared or clone, got text "worktree"',
    ),
    "an unknown landing": (
        FIELD.format("landing: ff"),
        '3: task "a": landing: must be squash, merge or rebase, got text "ff"',
    ),
    "a landing that is neither wanted nor not": (
        FIELD.format("land: later"),
        '3: task "a": land: must be true or false, got text "later"',
    ),
    "one exclusive name as text": (
        FIELD.format("exclusive: db"),
        '3: task "a": exclusive: must be a list of names, got text; put it in [ ]',
    ),
    "an exclusive name that is a number": (
        FIELD.format("exclusive: [5432]"),
        '3: task "a": exclusive[0]: must be text; YAML read it as integer 5432. Quote it: "5432"',
    ),
    "concurrency as a list": (
        "concurrency: [db]\ntasks: []\n",
        "1: concurrency: must be a mapping of names to numbers of tasks, got a list",
    ),
    "concurrency that is not a number": (
        "concurrency:\n  db: two\ntasks: []\n",
        '2: concurrency.db: must be a number of tasks from 1 to 1024, got text "two"',
    ),
    "a field at the top and among the defaults": (
        "setup: [make]\ndefaults: {setup: [make]}\ntasks: []\n",
        "1: setup: is also in defaults, at line 2; keep one of them",
    ),
    "a fault at the top": (
        "landing: ff\ntasks: [{id: a}, {id: b}]\n",
        '1: landing: must be squash, merge or rebase, got text "ff"',
    ),
    "a name that steers the terminal": (
        'tasks:\n  - id: "\\u202e"\n    zork: 1\n    priority: x\n',
        f'4: task "\\u202e": priority: {PRIORITY} text "x"',
    ),
}


@pytest.mark.parametrize(("text", "line"), CASES.values(), ids=CASES)
def test_a_fault_is_one_line_that_names_its_place(text: str, line: str) -> None:
    with pytest.raises(PlanRefused) as refused:
        plan_of(Source("plan.yaml", text))

    assert refused.value.line("swarmctl") == f"plan.yaml:{line}"


def refusal(path: Path) -> str:
    with pytest.raises(PlanRefused) as refused:
        read_plan(str(path))
    return refused.value.line("swarmctl").replace(str(path.parent), "")


def test_every_use_of_an_alias_is_refused_without_following_one() -> None:
    levels = pairwise("abcdefghi")
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in levels)

    with pytest.raises(PlanRefused) as refused:
        plan_of(Source("plan.yaml", bomb + "tasks: []\n"))

    lines = refused.value.line("swarmctl").splitlines()
    assert lines[0] == f"plan.yaml:1: a: {NO_ALIASES}"
    assert len(lines) <= 21


def test_twenty_faults_are_shown_and_the_rest_is_counted() -> None:
    text = "tasks:\n" + "".join(f"  - id: t{i}\n    priority: x\n" for i in range(25))

    with pytest.raises(PlanRefused) as refused:
        plan_of(Source("plan.yaml", text))

    lines = refused.value.line("swarmctl").splitlines()
    assert len(lines) == 21
    assert lines[0].startswith('plan.yaml:3: task "t0": priority:')
    assert lines[-1] == "and 5 more"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\xff\xfet\x00", "/plan.yaml: the file is UTF-16; save it as UTF-8"),
        (b"tasks:\n - id: a\0b\n", "/plan.yaml:2: control character U+0000 not allowed; remove it"),
        (b"tasks:\n - id: \xe9", "/plan.yaml:2: not valid UTF-8 at byte 14; save the file as UTF-8"),
    ],
)
def test_bytes_that_are_not_text_are_named_by_position(tmp_path: Path, data: bytes, line: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(data)

    assert refusal(path) == line


def test_a_bom_and_dos_line_ends_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"\xef\xbb\xbftasks:\r\n  - id: a\r\n    description: |\r\n      x\r\n      y\r\n")

    [task] = read_plan(str(path)).tasks

    assert task.definition.description == "x\ny\n"


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)

    assert refusal(path) == "/plan.yaml: file larger than 32 MiB; split the plan"


def test_a_pipe_by_name_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    assert refusal(path) == "/pipe: not a regular file; give a file, or - for stdin"


def test_a_device_is_refused() -> None:
    assert refusal(Path("/dev/zero")) == "/zero: not a regular file; give a file, or - for stdin"


def test_a_task_that_fits_no_message_is_refused() -> None:
    text = f"tasks:\n  - id: a\n    description: {'x' * (MAX_TASK_BYTES + 1)}\n"

    with pytest.raises(PlanRefused) as refused:
        plan_of(Source("plan.yaml", text))

    assert refused.value.line("") == 'plan.yaml:2: task "a": larger than 8 MiB; move text to files'
