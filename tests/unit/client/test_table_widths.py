"""Tables at given widths: which columns stay, where ids are cut, and who gets the room."""

import io
from typing import Any

import pytest
from rich.console import Console

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.operator_service_pb2 import InboxEntry, ListInboxResponse
from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.swarm_pb2 import Swarm, Worker
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl.render.align import aligned, shortened, width
from swarmctl.render.blocks import Blocks, Column, Cut, Table, cell, facts
from swarmctl.render.events import fitted_line
from swarmctl.render.inbox import inbox_blocks
from swarmctl.render.tasks import list_blocks
from swarmctl.render.terminal import print_blocks
from swarmctl.render.workers import workers_blocks
from swarmctl.run.summary import FinishedRun, summary_blocks

LONG = "feature-" + "x" * 80 + "-part-one"  # 97 characters
REASON = "check_failed: `pytest -q tests/test_auth.py` exited with 1: 3 failed, 12 passed in 4.52s"
WIDTHS = (80, 120, 200)


def shown(blocks: Blocks, columns: int) -> list[str]:
    on = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None, markup=False)
    print_blocks(on, blocks)
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue().splitlines()


def tasks() -> list[Task]:
    common: dict[str, Any] = {
        "phase": "implementation",
        "priority": 3,
        "worker": "worker-1",
        "name": "Check the login of a user",
    }
    return [
        Task(task_id=LONG, status=TaskStatus.TASK_STATUS_FAILED, attempt=3, last_error=REASON, **common),
        Task(task_id="2.1", status=TaskStatus.TASK_STATUS_IN_PROGRESS, attempt=1, **common),
    ]


def reason_width(lines: list[str], title: str) -> int:
    return len(next(line for line in lines if "pytest" in line)[lines[0].index(title) :])


@pytest.mark.parametrize("columns", WIDTHS)
def test_each_task_of_a_list_has_one_line(columns: int) -> None:
    lines = shown(list_blocks(tasks()), columns)

    assert len(lines) == 3
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize(("columns", "least"), [(80, 40), (120, 40), (200, 60)])
def test_the_reason_gets_the_room(columns: int, least: int) -> None:
    assert reason_width(shown(list_blocks(tasks()), columns), "WHY") >= least
    assert (
        reason_width(shown(summary_blocks(FinishedRun(tasks(), Usage(), 1.0)), columns), "LAST ERROR")
        >= least
    )


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (80, ["ID", "STATUS", "WHY"]),
        (120, ["ID", "STATUS", "ATTEMPT", "WORKER", "NAME", "WHY"]),
        (200, ["ID", "STATUS", "PRIORITY", "PHASE", "ATTEMPT", "WORKER", "NAME", "WHY"]),
    ],
)
def test_the_least_important_columns_are_left_out_first(columns: int, titles: list[str]) -> None:
    assert shown(list_blocks(tasks()), columns)[0].split() == titles


def test_an_id_loses_its_middle() -> None:
    [_, line, short] = shown(list_blocks(tasks()), 80)

    first = line.split()[0]
    assert first.startswith("feature-")
    assert first.endswith("-part-one")
    assert 16 <= len(first) <= 30
    assert short.startswith("2.1 ")


@pytest.mark.parametrize("room", [1, 2, 3, 9, 20])
@pytest.mark.parametrize("text", [LONG, "日本語" * 20])
def test_a_shortened_text_fits(text: str, room: int) -> None:
    cut = shortened(text, room)

    assert width(cut) <= room
    assert "…" in cut


def test_a_pipe_gets_every_column_and_every_character() -> None:
    [table] = list_blocks(tasks())
    assert isinstance(table, Table)
    titles, first, _ = aligned(table, room=None)

    assert len(titles) == 8
    assert first[0].text == LONG
    assert first[-1].text == REASON


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_question_is_shown_whole_with_its_command(columns: int) -> None:
    question = "Which of the two session stores is to be kept, the one in Redis or the one in the database?"
    hold = Hold(kind=HoldKind.HOLD_KIND_QUESTION, text=question, options=["Redis", "the database"])
    held = Task(task_id="2.1", status=TaskStatus.TASK_STATUS_HELD, hold=hold)

    lines = shown(inbox_blocks(ListInboxResponse(entries=[InboxEntry(task=held)]), Swarm()), columns)

    assert max(map(len, lines)) <= columns
    begin, end = lines[0].index("WHAT"), lines[0].index("SETTLE IT")
    assert " ".join(line[begin:end].strip() for line in lines[1:]).split()[: len(question.split())] == (
        question.split()
    )
    settle = " ".join(line[end:].strip() for line in lines[1:]).strip()
    assert settle == "swarmctl answer 2.1 --option N"


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_worker_has_one_line(columns: int) -> None:
    worker = Worker(
        name="worker-" + "n" * 60,
        host="a-host-with-a-long-name.example.invalid",
        runner="amplifier-agent",
        pid=12345,
        slots=4,
        running=4,
        task_ids=[LONG] * 4,
    )

    lines = shown(workers_blocks([worker]), columns)

    assert len(lines) == 2
    assert max(map(len, lines)) <= columns


def test_a_long_fact_goes_on_below_its_beginning() -> None:
    lines = shown([facts(("id", cell("2.1")), ("last error", cell(f"{REASON} {REASON}")))], 80)

    begin = lines[1].index("check_failed")
    assert len(lines) > 3
    assert all(line[:begin].strip() == "" and line[begin] != " " for line in lines[2:])
    assert " ".join(line[begin:] for line in lines[1:]) == f"{REASON} {REASON}"


def test_wide_letters_go_on_below_without_a_loss() -> None:
    table = Table((Column("", flexible=True, cut=Cut.WRAP),), [[cell("日本語" * 20)]])

    lines = [row[0].text for row in aligned(table, room=20)]

    assert "".join(lines) == "日本語" * 20
    assert max(map(width, lines)) <= 20


@pytest.mark.parametrize("columns", WIDTHS)
def test_an_event_on_a_terminal_breaks_between_words_and_shortens_ids(columns: int) -> None:
    event = Event(seq=17, task_id=LONG, worker=LONG, attempt=1, cause=REASON)

    first, *more = fitted_line(event, columns).splitlines()

    assert max(map(len, [first, *more])) <= columns
    assert all(line.startswith(" " * 8) and line[8] != " " for line in more)
    assert LONG not in first
    assert "…" in first
    assert " ".join([first, *(line.strip() for line in more)]).endswith(REASON)
