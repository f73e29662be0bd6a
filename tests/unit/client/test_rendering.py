"""Output on a terminal: tables that fit, ids that are whole, a board that keeps its place."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.swarm_pb2 import PausedRunner, StatusCount, Swarm, SwarmMode, Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import FakeOperator
from swarmctl.render.align import aligned
from swarmctl.render.blocks import NARROWEST, Column, Heading, Prose, Table, cell
from swarmctl.render.live_board import BoardState, LiveBoard, Pace, bar_cells
from swarmctl.render.tasks import list_blocks
from swarmctl.render.terminal import print_blocks
from swarmctl.text_format import span, tokens
from unit.client.conftest import Ctl

TABLE = Table(
    (Column("ID"), Column("N", right=True), Column("NAME", flexible=True), Column("WHY", flexible=True)),
    [
        (cell("task-with-a-long-id"), cell(7), cell("n" * 40), cell("w" * 20)),
        (cell("b"), cell(12), cell("日本語" * 10), cell("")),
    ],
)


def console(width: int, height: int = 40) -> Console:
    return Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None, markup=False
    )


def printed(on: Console) -> list[str]:
    assert isinstance(on.file, io.StringIO)
    return [line.rstrip() for line in on.file.getvalue().splitlines()]


def test_a_table_with_room_is_shown_whole() -> None:
    on = console(120)

    print_blocks(on, [TABLE])

    assert printed(on) == [
        f"ID                    N  NAME{' ' * 58}WHY".replace("NAME" + " " * 58, f"{'NAME':<60}  "),
        f"task-with-a-long-id   7  {'n' * 40:<60}  {'w' * 20}",
        f"b                    12  {'日本語' * 10}",
    ]


@pytest.mark.parametrize("width", [30, 50, 60, 70, 80, 100])
def test_a_narrow_terminal_cuts_names_and_never_ids(width: int) -> None:
    rows = aligned(TABLE, room=width)

    assert [row[0].text.strip() for row in rows] == ["ID", "task-with-a-long-id", "b"]
    assert [row[1].text.strip() for row in rows] == ["N", "7", "12"]
    cut = rows[2][2].text.rstrip()
    assert cut.endswith("…")
    assert len(cut) >= NARROWEST // 2


LISTED = Task(
    task_id="2.6.1",
    status=TaskStatus.TASK_STATUS_IN_PROGRESS,
    phase="implementation",
    attempt=2,
    worker="worker-1",
    name="Implement user authentication",
    last_error="the validator rejected the work",
)


@pytest.mark.parametrize("rehearsed", [True, False])
def test_a_list_of_tasks_fits_80_columns(rehearsed: bool) -> None:  # noqa: FBT001
    on = console(80)

    print_blocks(on, list_blocks([LISTED, Task(task_id="b", rehearsed=rehearsed)]))

    assert [line for line in printed(on) if len(line) > 80] == []
    assert printed(on)[0].split() == ["ID", "STATUS", "ATTEMPT", "NAME", "WHY"]


def test_a_list_of_tasks_leaves_out_empty_columns() -> None:
    on = console(80)

    print_blocks(
        on,
        list_blocks(
            [
                Task(task_id="a", name="Alpha", priority=1),
                Task(task_id="b", status=TaskStatus.TASK_STATUS_BLOCKED),
            ]
        ),
    )

    assert printed(on)[0].split() == ["ID", "STATUS", "PRIORITY", "NAME"]


def test_a_line_that_is_too_long_goes_on_in_the_next() -> None:
    on = console(20)

    print_blocks(on, [Table((Column(""),), [[cell("x" * 50)]])])

    assert printed(on) == ["x" * 50]


def test_text_that_looks_like_markup_is_text() -> None:
    on = console(80)

    print_blocks(on, [Heading("[red]a[/red]"), Prose("[link=x]b[/link] :smile:"), TABLE])

    assert printed(on)[:3] == ["", "[red]a[/red]", "    [link=x]b[/link] :smile:"]


def board(running: int, **fields: Any) -> BoardState:
    swarm = Swarm(
        **fields,
        mode=SwarmMode.SWARM_MODE_RUNNING,
        counts=[
            StatusCount(status=TaskStatus.TASK_STATUS_COMPLETED, count=3),
            StatusCount(status=TaskStatus.TASK_STATUS_IN_PROGRESS, count=running),
        ],
    )
    tasks = [
        Task(
            task_id=f"t{i}",
            name="[b]N\x1b[2J",
            status=TaskStatus.TASK_STATUS_IN_PROGRESS,
            attempt=1,
            worker="w1",
        )
        for i in range(running)
    ]
    return BoardState(swarm, tasks, [Worker(name="w1", running=running, slots=4)])


def test_a_board_shows_counts_workers_and_what_runs() -> None:
    on = console(100)
    live = LiveBoard(on, board(2))
    live.show(board(2), [f"event {i}" for i in range(9)])

    on.print(live._draw())

    lines = printed(on)
    assert lines[:3] == ["mode     running", "tasks    2 in_progress, 3 completed", "workers  w1 2/4"]
    assert any(line.startswith("t1    in_progress") and line.endswith("[b]N\\x1b[2J") for line in lines)
    # Only the latest events are shown.
    assert [line.strip() for line in lines if "event" in line] == [f"event {i}" for i in range(4, 9)]


def drawn(live: LiveBoard, on: Console) -> list[str]:
    on.print(live._draw())
    return printed(on)


@pytest.mark.parametrize(
    ("running", "hours", "numbers"),
    [
        (2, {}, "3/5  60%"),
        (997, {}, "3/1,000  0%"),
        (0, {}, "3/3  100%"),
        (1, {"estimated_hours": 40.0, "completed_hours": 12.5}, "3/4  75%  12.5 of 40 estimated hours"),
    ],
)
def test_the_bar_has_its_numbers(running: int, hours: dict[str, float], numbers: str) -> None:
    on = console(100)

    lines = drawn(LiveBoard(on, board(running, **hours)), on)

    [bar] = [line for line in lines if line.endswith(f"  {numbers}")]
    assert len(bar) == 32 + 2 + len(numbers)


def test_a_plan_without_tasks_has_a_bar_too() -> None:
    on = console(100)

    assert any(line.endswith("0/0  0%") for line in drawn(LiveBoard(on, BoardState(Swarm(), [], [])), on))


ENDED = Swarm(
    counts=[
        StatusCount(status=TaskStatus.TASK_STATUS_COMPLETED, count=4),
        StatusCount(status=TaskStatus.TASK_STATUS_FAILED, count=2),
        StatusCount(status=TaskStatus.TASK_STATUS_SKIPPED, count=2),
        StatusCount(status=TaskStatus.TASK_STATUS_BLOCKED, count=8),
    ]
)


def test_completed_and_ended_are_told_apart_and_only_failures_are_red() -> None:
    on = console(80)

    lines = drawn(LiveBoard(on, BoardState(ENDED, [], [])), on)

    assert any(line.endswith("  8/16 ended  50%") for line in lines)
    bar = [(len(one.text), one.style) for one in bar_cells(ENDED, 32)]
    assert bar == [(8, "green"), (4, "red"), (4, "yellow"), (16, "bright_black")]


@pytest.mark.parametrize(
    ("ended_before", "text"),
    [
        (6, "2m00s"),
        (4, "2m00s, 120 tasks an hour, about 4m00s left"),
    ],
)
def test_the_pace_is_told_once_enough_tasks_have_ended(ended_before: int, text: str) -> None:
    assert Pace(100.0, ended_before).text(ENDED, 220.0) == text


def test_a_board_begins_with_the_workers_that_are_silent() -> None:
    on = console(100)
    silent = Worker(name="w1", status=WorkerStatus.WORKER_STATUS_SUSPECT, task_ids=["2.1"])
    silent.last_seen_at.FromDatetime(datetime.now(UTC) - timedelta(minutes=6, seconds=5))
    heard = Worker(name="w2", status=WorkerStatus.WORKER_STATUS_ONLINE)

    lines = drawn(LiveBoard(on, BoardState(ENDED, [], [heard, silent])), on)

    assert lines[0].startswith("w1: nothing heard for 6m0")
    assert lines[0].endswith("; it has 2.1")
    assert lines[1].startswith("tasks ")


PAUSED = PausedRunner(runner="amplifier-agent", cause="no credit\x1b[2J left")


def test_a_paused_runner_stands_on_top_of_a_board_with_what_to_do() -> None:
    on = console(100)
    live = LiveBoard(on, board(1, paused_runners=[PAUSED]), resume="swarmctl resume --server h:1")

    lines = drawn(live, on)

    assert lines[:2] == [
        "Runner amplifier-agent is paused: no credit\\x1b[2J left",
        "  Mend that, then `swarmctl resume --server h:1`; until then it starts no session.",
    ]
    assert lines[2].startswith("mode ")


def test_what_is_too_long_for_a_line_of_the_board_is_cut() -> None:
    on = console(40)
    crowd = [Worker(name=f"worker-{i}", running=1, slots=1) for i in range(50)]

    lines = drawn(LiveBoard(on, BoardState(Swarm(), [], crowd)), on)

    [workers] = [line for line in lines if line.startswith("workers")]
    assert workers.endswith("…")


@pytest.mark.parametrize("height", [5, 24, 60])
def test_a_board_is_never_taller_than_the_terminal(height: int) -> None:
    on = console(100, height)

    on.print(LiveBoard(on, board(200))._draw())

    lines = printed(on)
    shown = sum(line.startswith("t") and "in_progress" in line for line in lines) - 1
    assert f"and {200 - shown} more" in lines
    assert len(lines) <= max(height, 16)


def test_watch_on_a_terminal_draws_a_board_where_textual_is_missing(
    ctl: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = board(1)
    operator.answers |= {
        "GetSwarm": wire.GetSwarmResponse(swarm=found.swarm),
        "ListTasks": wire.ListTasksResponse(tasks=found.running),
        "ListWorkers": wire.ListWorkersResponse(workers=found.workers),
        "WatchEvents": lambda _: iter([wire.WatchEventsResponse()]),
    }

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    # The user leaves where the command waits for the server.
    monkeypatch.setattr("amplifier_swarm_client.blocking.connection.time.sleep", sleep)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("swarmctl.commands.watch.find_spec", lambda _: None)

    result = ctl("watch", "--no-color")

    assert result.code == 130
    assert "tasks    1 in_progress, 3 completed" in result.out
    assert "\x1b[2J" not in result.out
    assert "the full screen needs textual: pip install 'amplifier-swarm[tui]'" in result.err


@pytest.mark.parametrize(
    ("length_s", "text"),
    [
        (None, ""),
        (-1.0, "0.0s"),
        (0.04, "0.0s"),
        (59.94, "59.9s"),
        (65.0, "1m05s"),
        (3_599.0, "59m59s"),
        (3_720.0, "1h02m"),
    ],
)
def test_a_span_is_shown_in_the_units_that_matter(length_s: float | None, text: str) -> None:
    assert span(length_s) == text


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (Usage(), ""),
        (Usage(input_tokens=12_345, output_tokens=678), "12,345 in, 678 out"),
        (Usage(input_tokens=1, cost="0.0034075"), "1 in, 0 out, $0.0034"),
        (Usage(output_tokens=1, cost="cheap"), "0 in, 1 out, cheap"),
    ],
)
def test_usage_is_shown_in_a_few_words(usage: Usage, text: str) -> None:
    assert tokens(usage) == text
