"""Valid task files: the message that results from each field."""

import pytest

from amplifier_swarm.plan.fault_lines import locate
from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.fields import FIELDS
from amplifier_swarm.plan.read import Plan, plan_of
from amplifier_swarm.plan.source import Source
from amplifier_swarm.plan.suggest import similar_word
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import (
    DependencyFailurePolicy,
    DisconnectPolicy,
    ExpectedChanges,
    LandingStyle,
    RetryFrom,
    TaskStatus,
    WorkspaceKind,
)

WHOLE = """
version: 2
exported_at: 2026-01-26 10:00:00
summary: {total: 1}
tasks:
  - id: "2.6.1.a"
    name: Implement user authentication
    phase: implementation
    type: feature
    status: completed
    priority: high
    estimated_hours: 2.5
    description: |
      First line
      second line
    acceptance_criteria: works
    files: [src/auth.py]
    design_docs: [docs/auth.md]
    dependencies: [2.5.0, "0"]
    max_retries: 3
    on_dependency_failure: block
    on_disconnect: keep
    validate: no
    builder_agent: x:y
    validator_agent: v
    builder_timeout: 90
    validator_timeout: 1.5
    stall_timeout: 0
    check_timeout: 60
    labels: {gpu: yes, cuda: 12.0}
    checks: ["pytest -q"]
    workspace: clone
    setup: [npm ci]
    keep: [node_modules]
    exclusive: [staging-db]
    artifacts: ["shots/*.png"]
    land: no
    landing: Merge
    landing_checks: [make test]
    changes: none
    retry_from: base
    rehearsal:
      builder:
        - calls:
            - write_file: {path: a.py, content: 123}
            - bash: {}
          reply: done
      validator:
        - reply: PASS
"""


def plan(text: str, *, strict: bool = False) -> Plan:
    return plan_of(Source("plan.yaml", text), strict=strict)


def one(fields: str) -> PlannedTask:
    [task] = plan(f"tasks:\n  - id: a\n    {fields}\n").tasks
    return task


def test_every_field_of_a_file_reaches_the_message() -> None:
    [task] = plan(WHOLE).tasks

    made = task.definition
    assert task.status == TaskStatus.TASK_STATUS_COMPLETED
    assert (made.task_id, made.name) == ("2.6.1.a", "Implement user authentication")
    assert (made.phase, made.type, made.priority, made.estimated_hours) == (
        "implementation",
        "feature",
        3,
        2.5,
    )
    assert made.description == "First line\nsecond line\n"
    assert list(made.acceptance_criteria) == ["works"]
    assert (list(made.files), list(made.design_docs)) == (["src/auth.py"], ["docs/auth.md"])
    assert list(made.dependencies) == ["2.5.0", "0"]
    assert (made.max_retries, made.validate) == (3, False)
    assert made.on_dependency_failure == DependencyFailurePolicy.DEPENDENCY_FAILURE_POLICY_BLOCK
    assert made.on_disconnect == DisconnectPolicy.DISCONNECT_POLICY_KEEP
    assert (made.builder_agent, made.validator_agent) == ("x:y", "v")
    assert (made.builder_timeout.seconds, made.validator_timeout.nanos) == (90, 500_000_000)
    assert made.HasField("stall_timeout")
    assert (made.stall_timeout.seconds, made.check_timeout.seconds) == (0, 60)
    assert dict(made.labels) == {"gpu": "yes", "cuda": "12.0"}
    assert list(made.checks) == ["pytest -q"]
    assert (made.workspace, made.landing) == (
        WorkspaceKind.WORKSPACE_KIND_CLONE,
        LandingStyle.LANDING_STYLE_MERGE,
    )
    assert (list(made.setup), list(made.keep), list(made.exclusive)) == (
        ["npm ci"],
        ["node_modules"],
        ["staging-db"],
    )
    assert (list(made.artifacts), list(made.landing_checks)) == (["shots/*.png"], ["make test"])
    assert (made.HasField("land"), made.land) == (True, False)
    assert (made.changes, made.retry_from) == (
        ExpectedChanges.EXPECTED_CHANGES_NONE,
        RetryFrom.RETRY_FROM_BASE,
    )
    [script] = made.rehearsal.builder
    assert [(c.tool, dict(c.arguments)) for c in script.calls] == [
        ("write_file", {"path": "a.py", "content": "123"}),
        ("bash", {}),
    ]
    assert (script.reply, made.rehearsal.validator[0].reply) == ("done", "PASS")


def test_the_message_knows_no_field_that_files_lack() -> None:
    names = {field.name for field in PlannedTask().definition.DESCRIPTOR.fields}

    assert names == (set(FIELDS) | {"task_id"}) - {"id", "status"}


@pytest.mark.parametrize(
    ("written", "priority"),
    [("critical", 4), ("HIGH", 3), ("medium", 2), ("low", 1), ("-5", -5), ("0", 0), ("1000", 1000)],
)
def test_a_priority_is_a_word_or_a_number(written: str, priority: int) -> None:
    assert one(f"priority: {written}").definition.priority == priority


def test_a_text_stays_as_it_is_written_whatever_yaml_would_make_of_it() -> None:
    made = one("name: yes\n    phase: 2\n    description: 2026-01-26").definition

    assert (made.name, made.phase, made.description) == ("yes", "2", "2026-01-26")


def test_a_field_without_a_value_is_left_unset() -> None:
    made = one("priority:\n    status: ~\n    dependencies:\n    description: null\n    rehearsal:")

    assert made == one("type:")


def test_a_timeout_of_nothing_is_sent_for_the_server_to_refuse() -> None:
    assert one("builder_timeout: 0").definition.HasField("builder_timeout")


def test_defaults_fill_what_a_task_leaves_out() -> None:
    tasks = plan(
        "defaults: {priority: low, labels: {os: linux}, dependencies: [z], status: completed}\n"
        "tasks:\n  - id: a\n  - {id: b, priority: high, labels: {gpu: one}, dependencies: [], status: failed}\n"
    ).tasks

    [first, second] = tasks
    assert (first.definition.priority, dict(first.definition.labels)) == (1, {"os": "linux"})
    assert (list(first.definition.dependencies), first.status) == (["z"], TaskStatus.TASK_STATUS_COMPLETED)
    assert (second.definition.priority, dict(second.definition.labels)) == (3, {"gpu": "one"})
    assert (list(second.definition.dependencies), second.status) == ([], TaskStatus.TASK_STATUS_FAILED)


def test_the_top_holds_what_belongs_to_the_project() -> None:
    read = plan(
        "setup: [npm ci]\nkeep: [node_modules]\nworkspace: clone\nland: true\nlanding: rebase\n"
        "landing_checks: [make test]\nconcurrency: {staging-db: 2}\ndefaults: {exclusive: [staging-db]}\n"
        "tasks: [{id: a}, {id: b, setup: [], land: false}]\n",
        strict=True,
    )

    first, second = (task.definition for task in read.tasks)
    assert (list(first.setup), list(first.keep), list(first.landing_checks)) == (
        ["npm ci"],
        ["node_modules"],
        ["make test"],
    )
    assert (first.landing, first.workspace) == (
        LandingStyle.LANDING_STYLE_REBASE,
        WorkspaceKind.WORKSPACE_KIND_CLONE,
    )
    assert (first.land, list(second.setup), second.land) == (True, [], False)
    assert list(first.exclusive) == ["staging-db"]
    assert read.concurrency == {"staging-db": 2}


def test_an_empty_list_of_tasks_is_a_plan() -> None:
    assert list(plan("tasks: []\n").tasks) == []


def test_an_unknown_field_is_a_warning_and_strictly_a_fault() -> None:
    text = "tasks:\n  - id: a\n    zork: 1\nmeta: {}\n"

    assert [w.text("f") for w in plan(text).warnings] == [
        'f:4: unknown key "meta" is ignored',
        'f:3: task "a": unknown field "zork" is ignored',
    ]
    with pytest.raises(PlanRefused) as refused:
        plan(text, strict=True)
    assert refused.value.line("").splitlines()[0] == (
        'plan.yaml:3: task "a": unknown field "zork"; remove it, or leave --strict out'
    )


def test_a_field_that_is_unknown_in_every_task_is_warned_of_once() -> None:
    text = "tasks:\n" + "".join(f"  - id: t{i}\n    zork: 1\n" for i in range(50))

    assert [w.text("f") for w in plan(text).warnings] == [
        'f:3: task "t0": unknown field "zork" is ignored, here and in 49 more places'
    ]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("depend", "dependencies"),
        ("dependancies", "dependencies"),
        ("Dependencies", "dependencies"),
        ("acceptance", "acceptance_criteria"),
        ("desc", "description"),
        ("needs", "dependencies"),
        ("retries", "max_retries"),
        ("on-dependency-failure", "on_dependency_failure"),
        ("title", None),
        ("notes", None),
        ("assignee", None),
        ("created_at", None),
        ("tags", None),
    ],
)
def test_only_what_looks_like_a_field_is_taken_for_one(key: str, meant: str | None) -> None:
    assert similar_word(key, tuple(FIELDS)) == meant


LOCATED = """\
defaults:
  files: [../x]
tasks:
  - id: a
  - id: b
    name: B
    dependencies:
      - a
      - nope
concurrency:
  db: 0
setup:
  - "# nothing"
"""


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("tasks[1].dependencies[1]", 'f:9: task "b": dependencies[1]: problem'),
        ("tasks[1].definition.dependencies[1]", 'f:9: task "b": dependencies[1]: problem'),
        ("tasks[1].dependencies", 'f:7: task "b": dependencies: problem'),
        ("tasks[0].task_id", 'f:4: task "a": id: problem'),
        ("tasks[1]", 'f:5: task "b": problem'),
        ("tasks[1].files[0]", 'f:2: task "b": files[0]: problem'),
        ("tasks[0].description", 'f:4: task "a": description: problem'),
        ("tasks[7].name", "f: tasks[7].name: problem"),
        ("concurrency.db", "f:11: concurrency.db: problem"),
        ("concurrency", "f:10: concurrency: problem"),
        ("concurrency.gone", "f:10: concurrency.gone: problem"),
        ("tasks[0].setup[0]", 'f:13: task "a": setup[0]: problem'),
        ("clear", "f: clear: problem"),
    ],
)
def test_what_the_server_says_is_brought_back_to_its_line(place: str, text: str) -> None:
    assert locate(plan(LOCATED), place, "problem").text("f") == text


def test_a_field_is_named_once() -> None:
    fault = locate(plan(LOCATED), "tasks[0].task_id", "id may handle only letters")

    assert fault.text("f") == 'f:4: task "a": id: may handle only letters'
