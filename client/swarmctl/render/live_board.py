"""A live board of the swarm on a terminal, drawn by `run`, and by `watch` where textual is missing."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import grpc
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from amplifier_swarm.documents.swarm import counts, total
from amplifier_swarm.text import one_line
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest, ListTasksRequest, ListWorkersRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.swarm_pb2 import Swarm, Worker, WorkerStatus
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.render.align import GAP
from swarmctl.render.blocks import CELL_LIMIT, Blocks, Cell, Column, Prose, Table, cell, facts, id_column
from swarmctl.render.events import RESUME
from swarmctl.render.swarm import mode_cell, warning_blocks
from swarmctl.render.tasks import status_cell
from swarmctl.render.terminal import group

UNDER_WAY: Final = (
    TaskStatus.TASK_STATUS_CLAIMED,
    TaskStatus.TASK_STATUS_IN_PROGRESS,
    TaskStatus.TASK_STATUS_KILLING,
)
FINAL: Final = frozenset(
    {
        TaskStatus.TASK_STATUS_COMPLETED,
        TaskStatus.TASK_STATUS_FAILED,
        TaskStatus.TASK_STATUS_KILLED,
        TaskStatus.TASK_STATUS_SKIPPED,
    }
)
# Lines of the board that are not running tasks: facts, bar, titles and the latest events.
_FRAME_LINES: Final = 17
_LATEST: Final = 5
# A paused runner seldom takes more lines.
_LINES_A_BLOCK: Final = 2
_BAR_WIDTH: Final = 32
# Fewer ends say nothing about the pace.
_ENOUGH_FOR_A_PACE: Final = 3

RUNNING: Final = (
    id_column("TASK"),
    Column("STATUS"),
    Column("ATTEMPT", right=True, rank=2),
    Column("SINCE", right=True),
    id_column("WORKER", rank=1),
    Column("NAME", flexible=True, good=16),
)


@dataclass(frozen=True, slots=True)
class BoardState:
    """The swarm as of one moment."""

    swarm: Swarm
    running: Sequence[Task]
    workers: Sequence[Worker]


def fetch_board(stub: OperatorServiceStub) -> BoardState:
    """Fetches the state that a board shows."""
    swarm = stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm
    # No terminal shows more than a page of running tasks.
    running = stub.ListTasks(ListTasksRequest(statuses=UNDER_WAY), timeout=DEADLINE_S).tasks
    workers = stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers
    return BoardState(swarm, running, workers)


def refresh_board(stub: OperatorServiceStub, last: BoardState) -> BoardState:
    """Fetches a newer state; returns the last one while the server is away."""
    try:
        return fetch_board(stub)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return last


class LiveBoard:
    """A board that is drawn in place; its times advance between two updates from the server."""

    def __init__(self, console: Console, board: BoardState, *, resume: str = RESUME) -> None:
        """Creates the board; `resume` is the command that resumes a paused runner."""
        self._console = console
        self._resume = resume
        self._board = board
        self._pace = Pace(time.monotonic(), finished_count(board.swarm))
        self._latest: list[str] = []
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=4,
            transient=True,
            # Output to the same terminal goes above the board; output to a file is left alone.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, board: BoardState, lines: Sequence[str]) -> None:
        """Replaces the board, and adds lines to those below it."""
        self._board = board
        self._latest = [*self._latest, *lines][-_LATEST:]

    def _draw(self) -> RenderableType:
        board, width = self._board, self._console.width
        paused = warning_blocks(board.swarm, resume=self._resume)
        room = max(1, self._console.height - _FRAME_LINES - _LINES_A_BLOCK * len(paused))
        return Group(
            group(
                [*silence_blocks(board.workers, datetime.now(UTC)), *paused, *_head(board, self._pace)],
                room=width,
            ),
            _bar(board.swarm, width),
            group(_body(board, datetime.now(UTC), room), room=width),
            group(
                [Table((Column("", flexible=True),), [[cell(line, "dim")] for line in self._latest])],
                room=width,
            ),
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """The beginning of a measurement: a time of the monotonic clock, and the number of tasks that had ended then."""

    began_s: float
    ended: int

    def text(self, swarm: Swarm, now_s: float) -> str:
        """Returns the time since then and, once three tasks have ended since, tasks an hour and the time left."""
        elapsed_s = now_s - self.began_s
        done = finished_count(swarm) - self.ended
        parts = [text_format.span(elapsed_s)]
        if done >= _ENOUGH_FOR_A_PACE and elapsed_s > 0:
            parts.append(f"{done * 3600 / elapsed_s:,.0f} tasks an hour")
            left = total(swarm) - finished_count(swarm)
            if left:
                parts.append(f"about {text_format.span(left * elapsed_s / done)} left")
        return ", ".join(parts)


def silence_blocks(workers: Sequence[Worker], now: datetime) -> Blocks:
    """Returns a line for each worker that should send heartbeats and does not, with the tasks that it has."""
    lines = []
    for worker in workers:
        if worker.status == WorkerStatus.WORKER_STATUS_SUSPECT:
            since_s = (
                (now - worker.last_seen_at.ToDatetime(UTC)).total_seconds()
                if worker.HasField("last_seen_at")
                else None
            )
            span = f" for {text_format.span(since_s)}" if since_s is not None else ""
            has = f"; it has {', '.join(worker.task_ids)}" if worker.task_ids else ""
            lines.append(
                Prose(one_line(f"{worker.name}: nothing heard{span}{has}", CELL_LIMIT), "bold red", 0)
            )
    return lines


def bar_cells(swarm: Swarm, width: int) -> Sequence[Cell]:
    """Returns a bar: completed, failed, ended otherwise, and what is left. Only failures are red."""
    everything = max(1, total(swarm))
    found = {count.status: count.count for count in swarm.counts}
    completed = found.get(TaskStatus.TASK_STATUS_COMPLETED, 0)
    failed = found.get(TaskStatus.TASK_STATUS_FAILED, 0)
    ends = [completed, completed + failed, finished_count(swarm), everything]
    places = [0, *(end * width // everything for end in ends[:-1]), width]
    styles = ("green", "red", "yellow", "bright_black")
    return [
        Cell("━" * (end - begin), style)
        for begin, end, style in zip(places, places[1:], styles, strict=False)
    ]


def _bar(swarm: Swarm, width: int) -> RenderableType:
    """Returns the progress bar with its numbers."""
    bar = Text()
    for one in bar_cells(swarm, min(_BAR_WIDTH, width // 2)):
        bar.append(one.text, one.style)
    bar.append(" " * GAP + progress_text(swarm, finished_count(swarm)))
    bar.no_wrap, bar.overflow = True, "ellipsis"
    return bar


def progress_text(swarm: Swarm, done: int) -> str:
    """Returns the number of ended tasks, named so unless all are completed, the percentage, and the estimated hours."""
    everything = total(swarm)
    parts = [f"{done:,}/{everything:,}", f"{100 * done // max(1, everything)}%"]
    if counts(swarm)["completed"] != done:
        parts[0] += " ended"
    if swarm.estimated_hours:
        parts.append(text_format.hours(swarm.completed_hours, swarm.estimated_hours))
    return "  ".join(parts)


def finished_count(swarm: Swarm) -> int:
    """Returns the number of finished tasks."""
    return sum(count.count for count in swarm.counts if count.status in FINAL)


def _head(board: BoardState, pace: Pace) -> Blocks:
    found = counts(board.swarm)
    tasks = ", ".join(f"{count} {name}" for name, count in found.items() if count)
    pairs = (
        ("mode", mode_cell(board.swarm)),
        ("tasks", cell(tasks or "none")),
        ("workers", cell(_workers(board.workers))),
        ("used", cell(text_format.tokens(board.swarm.usage))),
        ("elapsed", cell(pace.text(board.swarm, time.monotonic()))),
    )
    # Each fact stays on one line: a second line would make the board jump.
    return [Table((Column(""), Column("", flexible=True)), facts(*pairs).rows)]


def _workers(workers: Sequence[Worker]) -> str:
    busy = (f"{worker.name} {worker.running}/{worker.slots}" for worker in workers)
    return ", ".join(busy) or "none"


def _body(board: BoardState, now: datetime, room: int) -> Blocks:
    rows = [
        (
            cell(task.task_id),
            status_cell(task.status),
            cell(task.attempt or None),
            cell(text_format.span(since_s(task, now))),
            cell(task.worker),
            cell(task.name),
        )
        for task in board.running[:room]
    ]
    left = len(board.running) - len(rows)
    more = [Prose(f"and {left} more", "dim", indent=0)] if left > 0 else []
    return [Prose("", indent=0), Table(RUNNING, rows), *more]


def since_s(task: Task, now: datetime) -> float | None:
    """Returns the seconds since the start of the latest attempt; None if it has not started."""
    if not task.HasField("started_at"):
        return None
    return (now - task.started_at.ToDatetime(UTC)).total_seconds()
