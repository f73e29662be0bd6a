"""The progress of a run on stderr: a live board on a terminal, one line per event otherwise."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl import text_format
from swarmctl.console import print_err
from swarmctl.render.events import event_text
from swarmctl.render.live_board import FINAL, LiveBoard, fetch_board
from swarmctl.render.printer import Printer

# The events that matter to a reader; `swarmctl events` lists all.
_SHOWN_KINDS: Final = frozenset(
    {
        EventKind.EVENT_KIND_TASK_SKIPPED,
        EventKind.EVENT_KIND_TASK_REVIVED,
        EventKind.EVENT_KIND_TASK_RELEASED,
        EventKind.EVENT_KIND_SESSION_STARTED,
        EventKind.EVENT_KIND_TASK_COMPLETED,
        EventKind.EVENT_KIND_TASK_RETRYING,
        EventKind.EVENT_KIND_TASK_FAILED,
        EventKind.EVENT_KIND_TASK_KILLING,
        EventKind.EVENT_KIND_TASK_KILLED,
        EventKind.EVENT_KIND_RESULT_ARCHIVED,
        EventKind.EVENT_KIND_WORKER_JOINED,
        EventKind.EVENT_KIND_WORKER_SUSPECT,
        EventKind.EVENT_KIND_WORKER_LOST,
        EventKind.EVENT_KIND_SWARM_PAUSED,
        EventKind.EVENT_KIND_SWARM_STOPPED,
        EventKind.EVENT_KIND_SWARM_RESUMED,
        EventKind.EVENT_KIND_RUNNER_PAUSED,
        EventKind.EVENT_KIND_RUNNER_PROBED,
        EventKind.EVENT_KIND_RUNNER_RESUMED,
        EventKind.EVENT_KIND_TASK_RESTORED,
        EventKind.EVENT_KIND_RESULT_ACCEPTED,
        EventKind.EVENT_KIND_EXPIRY_PAUSED,
        EventKind.EVENT_KIND_EXPIRY_RESUMED,
        EventKind.EVENT_KIND_TASK_HELD,
        EventKind.EVENT_KIND_TASK_UNHELD,
    }
)


class ProgressDisplay(Protocol):
    """A display of events."""

    def show(self, events: Sequence[Event]) -> None: ...  # see the implementations


class EventLines:
    """A display of one line per event, with the number of finished tasks."""

    def __init__(self, tasks: Sequence[Task], *, resume: str) -> None:
        self._resume = resume
        self._final = {task.task_id for task in tasks if task.status in FINAL}
        self._known = {task.task_id for task in tasks}

    def show(self, events: Sequence[Event]) -> None:
        """Writes the lines."""
        for event in events:
            # Not every event of a task carries its status.
            if event.task_id and event.status:
                self._known.add(event.task_id)
                (self._final.add if event.status in FINAL else self._final.discard)(event.task_id)
            if event.kind in _SHOWN_KINDS:
                progress = f"{len(self._final)}/{len(self._known)}"
                print_err(
                    f"{text_format.clock(event, 'happened_at')} [{progress}] {event_text(event, resume=self._resume)}"
                )


class RunBoard:
    """A display on the live board."""

    def __init__(self, stub: OperatorServiceStub, live: LiveBoard) -> None:
        self._stub = stub
        self._live = live

    def show(self, events: Sequence[Event]) -> None:
        """Fetches the state again and draws it."""
        lines = [event_text(event) for event in events if event.kind in _SHOWN_KINDS]
        self._live.show(fetch_board(self._stub), lines)


@contextmanager
def progress_display(
    stub: OperatorServiceStub, printer: Printer, tasks: Sequence[Task], *, resume: str
) -> Iterator[ProgressDisplay]:
    """Opens the display that fits stderr; `resume` is the command that resumes a paused runner."""
    if not sys.stderr.isatty():
        yield EventLines(tasks, resume=resume)
        return
    with LiveBoard(printer.console(stderr=True), fetch_board(stub), resume=resume) as live:
        yield RunBoard(stub, live)
