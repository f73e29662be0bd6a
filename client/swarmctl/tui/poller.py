"""Reads for the screen, in threads of its own: looks again when something has happened, and follows logs.

The rule: the screen waits for no answer. Whatever comes is handed to `post`, which may be called from any
thread; the threads end with the connection.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import TailLogRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api import streams
from swarmctl.render.logs import line_text, log_lines
from swarmctl.tui.snapshot import Query, SwarmSnapshot, take

# Two looks a second are as many as an eye follows.
PAUSE_S: Final = 0.5
# Heartbeats and spending make no events.
LOOK_EVERY_S: Final = 2.0
# How many events, and how many entries of a log, are shown of what was before.
EVENTS_BEFORE: Final = 200
ENTRIES_BEFORE: Final = 1_000
# How many lines of a log are kept to scroll back.
LOG_LINES: Final = 20_000


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """A newer look."""

    look: SwarmSnapshot


@dataclass(frozen=True, slots=True)
class EventsSeen:
    """Events, in order."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """A read failed."""

    error: grpc.RpcError


News = SnapshotTaken | EventsSeen | ReadFailed


def background(name: str, work: Callable[[], None]) -> None:
    """Runs it beside everything else; an exit of the program does not wait for it."""
    threading.Thread(target=work, name=name, daemon=True).start()


class Poller:
    """Two threads: one follows the events, one looks whenever they say so."""

    def __init__(self, stub: OperatorServiceStub, post: Callable[[News], None]) -> None:
        self._stub = stub
        self._post = post
        self._query = Query()
        self._wake = threading.Event()
        self._over = threading.Event()

    def start(self, *, last_seq: int) -> None:
        """Begins, some events before that one."""
        background("watch-events", lambda: self._follow(max(0, last_seq - EVENTS_BEFORE)))
        background("watch-looks", self._look)

    def ask(self, query: Query) -> None:
        """Changes what the list of all tasks shows."""
        self._query = query
        self._wake.set()

    def wake(self) -> None:
        """Something has changed."""
        self._wake.set()

    def stop(self) -> None:
        """Ends the looks; the events end with the connection."""
        self._over.set()
        self._wake.set()

    def _follow(self, after: int) -> None:
        try:
            # What is away is told by the looks.
            for batch in streams.events(self._stub, after=after, away=self.wake):
                self._post(EventsSeen(batch))
                self.wake()
        except (grpc.RpcError, ValueError) as error:
            # A ValueError is gRPC's word for a connection that we have closed.
            if isinstance(error, grpc.RpcError) and not self._over.is_set():
                self._post(ReadFailed(error))

    def _look(self) -> None:
        while not self._over.is_set():
            self._wake.clear()
            try:
                self._post(SnapshotTaken(take(self._stub, self._query)))
            except grpc.RpcError as error:
                if not self._over.is_set():
                    self._post(ReadFailed(error))
            except ValueError:
                return
            self._over.wait(PAUSE_S)
            self._wake.wait(LOOK_EVERY_S - PAUSE_S)


class LogReader:
    """A thread that follows what the sessions of one attempt print; `take` what has come, now and then."""

    def __init__(self, stub: OperatorServiceStub, task_id: str, attempt: int) -> None:
        self._hold = streams.StreamHandle()
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        request = TailLogRequest(task_id=task_id, attempt=attempt, follow=True, tail=ENTRIES_BEFORE)
        background("watch-log", lambda: self._read(stub, request))

    def take(self, limit: int) -> Sequence[str]:
        """The next entries, at most so many."""
        return [self._lines.popleft() for _ in range(min(limit, len(self._lines)))]

    def stop(self) -> None:
        """Ends the thread."""
        self._hold.end()

    def _read(self, stub: OperatorServiceStub, request: TailLogRequest) -> None:
        answers = streams.log(stub, request, hold=self._hold, away=lambda: None)
        # What goes wrong, the looks at the task run into as well, and tell.
        with contextlib.suppress(grpc.RpcError, ValueError):
            for line in log_lines(answers):
                self._lines.append(line_text(line))
