"""Exported files: readable, canonical, and unchanged by an import."""

import random

import pytest
import yaml

from amplifier_swarm.plan.fields import FIELDS
from amplifier_swarm.plan.read import plan_of
from amplifier_swarm.plan.source import Source
from amplifier_swarm.plan.write import plan_document, plan_text
from amplifier_swarm.plan.yaml_scalars import yaml_value
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import TaskStatus

SEEDS = range(300)

# Texts that break naive writers: alone, and joined at random.
AWKWARD = [
    *["a", "word", " ", "  ", "\n", "\n\n", "\t", "\r", "\r\n", "#", " #", ": ", "- x", "yes", "0123"],
    *["'", '"', "\\", "é", "日本", "🎉", "|", ">", "%", "@", "`", "{", "}", "[", "]", ",", "&a", "*b"],
    *["!", "!!x", "---", "...", "?", "? ", "=", "<<", "~", "null", "1e3", "1.5", "2026-01-26", "on"],
    *["y:", "http://x", "key: v", "x" * 3_000, "\u2028", "\u00a0", "\u200b", "\ufeff", "\ufffe", "\u202e"],
]
TEXTS = ("name", "phase", "type", "description", "builder_agent", "validator_agent")
LISTS = (
    *("acceptance_criteria", "files", "design_docs", "checks", "dependencies"),
    *("setup", "keep", "exclusive", "artifacts", "landing_checks"),
)
CHOICES = (
    "on_disconnect",
    "on_dependency_failure",
    "workspace",
    "landing",
    "changes",
    "retry_from",
    "sandbox",
    "network",
    "approve",
)


def awkward(rng: random.Random) -> str:
    return "".join(rng.choice(AWKWARD) for _ in range(rng.randint(1, 7)))


def random_task(rng: random.Random, number: int, *, whole: bool = False) -> PlannedTask:
    """Returns a task with some of the fields, or with all of them."""
    task = PlannedTask(status=rng.choice(TaskStatus.values()[1:]))
    made, least = task.definition, int(whole)
    made.task_id = rng.choice(["yes", "0123", "1.0", "a"]) + f"-{number}"
    for name in TEXTS:
        setattr(made, name, awkward(rng) if whole else rng.choice(["", awkward(rng)]))
    for name in LISTS:
        getattr(made, name).extend(awkward(rng) for _ in range(rng.randint(least, 3)))
    if whole or rng.random() < 0.7:
        made.priority = rng.randint(-5, 6)
        made.max_retries = rng.randint(0, 9)
        made.validate = rng.random() < 0.5
        made.land = rng.random() < 0.5
        made.max_cost = rng.choice(["0", "2.5", "0.000000001", "1000000"])
        made.max_tokens = rng.choice([0, 1, 10**12])
        made.follow_ups = rng.choice(task_pb2.FollowUps.values()[1:])
        made.discovered_from = "1.2"
        made.estimated_hours = rng.choice([0, 1, 2.5, 0.1, 1e-7, 1e20, 99_999.5, rng.random()])
        for name in ("builder_timeout", "validator_timeout", "stall_timeout", "check_timeout", "ask_timeout"):
            timeout = getattr(made, name)
            timeout.FromNanoseconds(rng.choice([10**9, 1, 100_000_001, 604_800 * 10**9]))
        made.limits.memory_bytes = rng.choice([1, 1025, 512 << 20, 4 << 30, 3 << 40])
        made.limits.cpus = rng.choice([0.0, 0.5, 2.0, 1e-3])
        made.limits.threads = rng.choice([0, 8, 2**31 - 1])
    for name in CHOICES:
        setattr(made, name, rng.randint(least, 2))  # every number is a value
    for _ in range(rng.randint(least, 2)):
        made.labels[awkward(rng)] = awkward(rng)
        script = made.rehearsal.builder.add(reply=rng.choice(["", awkward(rng)]))
        call = script.calls.add(tool="write_file")
        call.arguments["content"] = awkward(rng)
    return task


def text_of(tasks: list[PlannedTask]) -> str:
    return "".join(plan_text(tasks))


@pytest.mark.slow
def test_export_import_export_is_the_same_file_byte_for_byte() -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        tasks = [random_task(rng, number) for number in range(3)]
        text = text_of(tasks)

        read = plan_of(Source("export", text))

        assert [t.definition for t in read.tasks] == [t.definition for t in tasks], f"seed {seed}"
        assert text_of(list(read.tasks)) == text, f"seed {seed}"
        assert not read.warnings


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_every_reader_of_yaml_gets_the_same_texts(loader: type[yaml.SafeLoader]) -> None:
    texts = ["", *AWKWARD, *(awkward(random.Random(seed)) for seed in SEEDS)]
    document = "".join(f"- {yaml_value(text, '  ')}\n" for text in texts)

    assert yaml.load(document, loader) == texts  # both are safe loaders


def test_a_file_looks_like_this() -> None:
    task = PlannedTask(status=TaskStatus.TASK_STATUS_IN_PROGRESS)
    made = task.definition
    made.task_id, made.name, made.priority, made.estimated_hours = "2.6", "Say: hello", 3, 2.0
    made.description = "First line\n  indented\n\nlast"
    made.files.extend(["src/a.py", "yes"])
    made.dependencies.append("2.5")
    made.builder_timeout.FromMilliseconds(1_500)
    made.stall_timeout.SetInParent()
    made.check_timeout.FromSeconds(60)
    made.labels.update({"os": "linux", "gpu": "1"})
    made.rehearsal.builder.add(reply="ok").calls.add(tool="bash").arguments["command"] = "true"

    assert text_of([task]) == (
        "version: 1\n"
        "tasks:\n"
        '  - id: "2.6"\n'
        '    name: "Say: hello"\n'
        "    status: not_started\n"
        "    priority: high\n"
        "    estimated_hours: 2\n"
        "    description: |-\n"
        "      First line\n"
        "        indented\n"
        "\n"
        "      last\n"
        "    files:\n"
        "      - src/a.py\n"
        '      - "yes"\n'
        "    dependencies:\n"
        '      - "2.5"\n'
        "    builder_timeout: 1.5\n"
        "    stall_timeout: 0\n"
        "    check_timeout: 60\n"
        "    labels:\n"
        '      gpu: "1"\n'
        "      os: linux\n"
        "    rehearsal:\n"
        "      builder:\n"
        "        - calls:\n"
        "            - bash:\n"
        '                command: "true"\n'
        "          reply: ok\n"
    )


@pytest.mark.parametrize("status", TaskStatus.values()[1:])
def test_only_ends_are_kept_in_a_file(status: TaskStatus.ValueType) -> None:
    kept = {"completed", "failed", "killed", "skipped"}
    [task] = yaml.safe_load(text_of([PlannedTask(status=status)]))["tasks"]

    word = TaskStatus.Name(status).removeprefix("TASK_STATUS_").lower()
    assert task["status"] == (word if word in kept else "not_started")


def test_an_empty_swarm_is_a_file_too() -> None:
    assert text_of([]) == "version: 1\ntasks: []\n"


def test_fields_are_written_in_the_order_in_which_they_are_known() -> None:
    assert _fields(random_task(random.Random(1), 0, whole=True)) == list(FIELDS)


def test_the_numbers_of_exclusive_names_are_written_and_read_back() -> None:
    text = "".join(plan_text([random_task(random.Random(1), 0)], {"staging-db": 2, "0123": 1}))

    assert text.startswith('version: 1\nconcurrency:\n  "0123": 1\n  "staging-db": 2\ntasks:\n')
    assert plan_of(Source("export", text)).concurrency == {"0123": 1, "staging-db": 2}
    assert plan_document([], {"b": 1, "a": 3}) == {"version": 1, "concurrency": {"a": 3, "b": 1}, "tasks": []}


def _fields(task: PlannedTask) -> list[str]:
    return list(yaml.safe_load(text_of([task]))["tasks"][0])


@pytest.mark.slow
def test_ten_thousand_tasks_are_read_and_written_as_one_file() -> None:
    tasks = [PlannedTask() for _ in range(10_000)]
    for number, task in enumerate(tasks):
        task.definition.task_id = f"t{number}"
        task.definition.description = "Do this.\nThen that.\n"
        task.definition.dependencies.extend([f"t{number - 1}"] if number else [])

    assert len(plan_of(Source("export", text_of(tasks))).tasks) == 10_000
