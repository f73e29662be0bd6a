"""The screen of one task: its state, the reasons for it, and the live log of its sessions."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

import grpc
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, RichLog, Static

from amplifier_swarm.documents.receipts import receipt_of
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import (
    ExplainTaskRequest,
    ExplainTaskResponse,
    GetTaskRequest,
    GetTaskResponse,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl import text_format
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.render.blocks import Cell, cell
from swarmctl.render.findings import course_text
from swarmctl.render.live_board import FINAL, since_s
from swarmctl.render.show import show_blocks
from swarmctl.render.tasks import attempt_text, status_cell
from swarmctl.render.terminal import group
from swarmctl.tui.actions import TuiActions
from swarmctl.tui.poller import LOG_LINES, POLL_EVERY_S, LogReader, run_in_background
from swarmctl.tui.tables import role_of
from swarmctl.tui.widgets import TextLines

# The number of reasons that are shown, and of entries that are drawn at once.
_REASONS: Final = 4
_LINES_A_TIME: Final = 500
_DRAIN_LOG_EVERY_S: Final = 0.1


def task_lines(answer: GetTaskResponse, why: ExplainTaskResponse, now: datetime) -> Iterator[Sequence[Cell]]:
    """Yields the lines above the log."""
    task = answer.task
    yield [cell(task.task_id, "bold"), Cell("  "), cell(task.name if task.name != task.task_id else "")]
    facts = [
        role_of(task),
        f"attempt {attempt_text(task)}" if task.attempt else "no attempt yet",
        task.worker,
        f"for {text_format.span(since_s(task, now))}" if _runs(task) else "",
        text_format.tokens(task.usage),
    ]
    yield [status_cell(task.status), Cell("  "), cell(", ".join(one for one in facts if one), "dim")]
    for reason in why.reasons[:_REASONS]:
        yield [cell(f"- {text_format.localized(reason.message)}")]
    if task.last_error:
        yield [cell(f"last error: {task.last_error}", "red")]
    if course := course_text(answer.attempts):
        yield [cell(f"findings: {course}")]
    if (receipt := receipt_of(answer)) is not None:
        ended = f"{receipt.terminated} by SIGTERM, {receipt.killed} by SIGKILL, {receipt.survivors} survived"
        took = text_format.span(text_format.seconds(receipt.duration))
        proof = f"not empty after {took}" if receipt.survivors else f"proven after {took}"
        kill_text = f"kill: {receipt.processes_found} processes found, {ended}; {proof}"
        yield [cell(kill_text, "red" if receipt.survivors else "magenta")]


def _runs(task: Task) -> bool:
    return task.HasField("started_at") and task.status not in FINAL


class TaskScreen(Screen[None]):
    """A screen whose threads end with it."""

    DEFAULT_CSS = """
    TaskScreen #log { height: 1fr; border-top: solid $primary; }
    TaskScreen #details { height: 1fr; border-top: solid $primary; display: none; }
    TaskScreen.-details #details { display: block; }
    TaskScreen.-details #log { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q", "app.pop_screen", "Back"),
        ("k", "kill", "Kill"),
        ("r", "retry", "Retry"),
        ("a", "settle", "Answer"),
        ("i", "details", "Details"),
        ("end,f", "end", "Newest"),
    ]

    def __init__(self, stub: OperatorServiceStub, task_id: str, actions: TuiActions) -> None:
        super().__init__()
        self._task_id = task_id
        self._stub = stub
        self._actions = actions
        self._reader: LogReader | None = None
        self._attempt = 0
        self._answer: GetTaskResponse | None = None

    def compose(self) -> ComposeResult:
        yield TextLines(id="about")
        # The log follows new lines only while it is scrolled to its end.
        yield RichLog(id="log", max_lines=LOG_LINES, wrap=True, markup=False, highlight=False)
        with VerticalScroll(id="details"):
            yield Static(id="whole")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one("#log").focus()
        self._request_update()
        self.set_interval(POLL_EVERY_S, self._request_update)
        self.set_interval(_DRAIN_LOG_EVERY_S, self._take)

    def on_unmount(self) -> None:
        if self._reader is not None:
            self._reader.stop()

    def action_details(self) -> None:
        """Switches between the log and all details."""
        self.toggle_class("-details")
        self._draw_details()
        self.query_one("#details" if self.has_class("-details") else "#log").focus()

    def action_end(self) -> None:
        """Scrolls to the end of the log and follows it."""
        self.query_one("#log", RichLog).scroll_end(animate=False)

    def action_kill(self) -> None:
        """Kills the task."""
        self._actions.kill(self._task_id)

    def action_retry(self) -> None:
        """Retries the task."""
        self._actions.retry(self._task_id)

    def action_settle(self) -> None:
        """Answers the task, or lets it start."""
        if self._answer is not None and self._answer.task.HasField("hold"):
            self._actions.settle(self._task_id, self._answer.task.hold)
        else:
            self.notify("The task is not held", markup=False)

    def _request_update(self) -> None:
        # The user may leave the screen before the answer arrives; `self.app` is gone then.
        app = self.app
        run_in_background("watch-task", lambda: self._fetch(app))

    def _fetch(self, app: App[object]) -> None:
        try:
            answer = self._stub.GetTask(GetTaskRequest(task_id=self._task_id), timeout=DEADLINE_S)
            why = self._stub.ExplainTask(ExplainTaskRequest(task_id=self._task_id), timeout=DEADLINE_S)
        except (grpc.RpcError, ValueError):
            # The poller reports an outage of the server; a task that is gone stays as it was.
            return
        app.call_later(self._show, answer, why)

    def _show(self, answer: GetTaskResponse, why: ExplainTaskResponse) -> None:
        if not self.is_attached:
            return
        self._answer = answer
        self.query_one("#about", TextLines).show(list(task_lines(answer, why, datetime.now(UTC))))
        self._draw_details()
        if answer.task.attempt > self._attempt:
            self._read(answer.task.attempt)

    def _read(self, attempt: int) -> None:
        """Follows one attempt; each attempt has its own stream, so that no line appears twice."""
        if self._reader is not None:
            self._reader.stop()
        self._attempt = attempt
        self._reader = LogReader(self._stub, self._task_id, attempt)

    def _take(self) -> None:
        log = self.query_one("#log", RichLog)
        for line in self._reader.pop_lines(_LINES_A_TIME) if self._reader is not None else ():
            log.write(Text(printable(line, newlines=True)), scroll_end=None)

    def _draw_details(self) -> None:
        if self._answer is not None and self.has_class("-details"):
            blocks = show_blocks(self._answer)
            self.query_one("#whole", Static).update(group(blocks, room=max(20, self.size.width - 4)))
