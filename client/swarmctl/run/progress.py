"""Shows on stderr how a run goes: a live board on a terminal, one line an event otherwise."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from amplifier_swarm.v1.event_pb2 import Event, EventKind
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.task_pb2 import Task
from swarmctl import text_format
from swarmctl.console import say
from swarmctl.render.events import told
from swarmctl.render.live_board import FINAL, LiveBoard, fetch_board
from swarmctl.render.printer import Printer

# What a person who looks on wants to read; the rest is in `swarmctl events`.
_TOLD: Final = frozenset(
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
        EventKind.EVENT_KIND_RESULT_ACCEPTED,
        EventKind.EVENT_KIND_EXPIRY_PAUSED,
        EventKind.EVENT_KIND_EXPIRY_RESUMED,
    }
)


class ProgressDisplay(Protocol):
    """Something that shows events."""

    def show(self, events: Sequence[Event]) -> None: ...  # see the class


class EventLines:
    """One line an event, with how far the run has come."""

    def __init__(self, tasks: Sequence[Task], *, resume: str) -> None:
        self._resume = resume
        self._final = {task.task_id for task in tasks if task.status in FINAL}
        self._known = {task.task_id for task in tasks}

    def show(self, events: Sequence[Event]) -> None:
        """Writes the lines."""
        for event in events:
            # Not every event of a task says where the task is.
            if event.task_id and event.status:
                self._known.add(event.task_id)
                (self._final.add if event.status in FINAL else self._final.discard)(event.task_id)
            if event.kind in _TOLD:
                far = f"{len(self._final)}/{len(self._known)}"
                say(f"{text_format.clock(event, 'happened_at')} [{far}] {told(event, resume=self._resume)}")


class RunBoard:
    """The live board."""

    def __init__(self, stub: OperatorServiceStub, live: LiveBoard) -> None:
        self._stub = stub
        self._live = live

    def show(self, events: Sequence[Event]) -> None:
        """Looks at the server again."""
        lines = [told(event) for event in events if event.kind in _TOLD]
        self._live.show(fetch_board(self._stub), lines)


@contextmanager
def showing(
    stub: OperatorServiceStub, printer: Printer, tasks: Sequence[Task], *, resume: str
) -> Iterator[ProgressDisplay]:
    """What fits the place where stderr goes; `resume` is the command that ends the pause of a runner."""
    if not sys.stderr.isatty():
        yield EventLines(tasks, resume=resume)
        return
    with LiveBoard(printer.console(stderr=True), fetch_board(stub), resume=resume) as live:
        yield RunBoard(stub, live)
