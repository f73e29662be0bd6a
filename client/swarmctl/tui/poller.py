"""The threads that read for the screen: one fetches snapshots when something has happened, others follow
streams.

Invariant: the screen waits for no answer. Every result is passed to `post`, which may be called from any
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
from amplifier_swarm_client.blocking.connection import StreamHandle
from swarmctl.api import streams
from swarmctl.render.logs import line_text, log_lines
from swarmctl.tui.snapshot import Query, SwarmSnapshot, fetch_snapshot

# Two snapshots a second are enough for a reader.
PAUSE_S: Final = 0.5
# Heartbeats and spending create no events.
POLL_EVERY_S: Final = 2.0
# The number of earlier events, and of earlier log entries, that are shown.
EVENTS_BEFORE: Final = 200
ENTRIES_BEFORE: Final = 1_000
# The number of log lines that are kept to scroll back.
LOG_LINES: Final = 20_000


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """A newer snapshot."""

    snapshot: SwarmSnapshot


@dataclass(frozen=True, slots=True)
class EventsSeen:
    """Events in order."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """A read that failed."""

    error: grpc.RpcError


PollerMessage = SnapshotTaken | EventsSeen | ReadFailed


def run_in_background(name: str, work: Callable[[], None]) -> None:
    """Runs `work` in a daemon thread; an exit of the program does not wait for it."""
    threading.Thread(target=work, name=name, daemon=True).start()


class Poller:
    """Two threads: one follows the events, one fetches a snapshot after each."""

    def __init__(self, stub: OperatorServiceStub, post: Callable[[PollerMessage], None]) -> None:
        self._stub = stub
        self._post = post
        self._query = Query()
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def start(self, *, last_seq: int) -> None:
        """Starts the threads; the events begin 200 before `last_seq`."""
        run_in_background("watch-events", lambda: self._follow(max(0, last_seq - EVENTS_BEFORE)))
        run_in_background("watch-snapshots", self._poll)

    def set_query(self, query: Query) -> None:
        """Changes the query for the list of all tasks."""
        self._query = query
        self._wake.set()

    def wake(self) -> None:
        """Requests a snapshot now."""
        self._wake.set()

    def stop(self) -> None:
        """Stops the snapshots; the events end with the connection."""
        self._stopped.set()
        self._wake.set()

    def _follow(self, after: int) -> None:
        try:
            # The snapshots report an outage of the server.
            for batch in streams.events(self._stub, after=after, on_server_away=self.wake):
                self._post(EventsSeen(batch))
                self.wake()
        except (grpc.RpcError, ValueError) as error:
            # gRPC raises ValueError for a connection that we have closed.
            if isinstance(error, grpc.RpcError) and not self._stopped.is_set():
                self._post(ReadFailed(error))

    def _poll(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                self._post(SnapshotTaken(fetch_snapshot(self._stub, self._query)))
            except grpc.RpcError as error:
                if not self._stopped.is_set():
                    self._post(ReadFailed(error))
            except ValueError:
                return
            self._stopped.wait(PAUSE_S)
            self._wake.wait(POLL_EVERY_S - PAUSE_S)


class LogReader:
    """A thread that follows the output of one attempt; `pop_lines` returns what has arrived."""

    def __init__(self, stub: OperatorServiceStub, task_id: str, attempt: int) -> None:
        self._handle = StreamHandle()
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        request = TailLogRequest(task_id=task_id, attempt=attempt, follow=True, tail=ENTRIES_BEFORE)
        run_in_background("watch-log", lambda: self._read(stub, request))

    def pop_lines(self, limit: int) -> Sequence[str]:
        """Returns the next entries, at most `limit`."""
        return [self._lines.popleft() for _ in range(min(limit, len(self._lines)))]

    def stop(self) -> None:
        """Ends the thread."""
        self._handle.cancel()

    def _read(self, stub: OperatorServiceStub, request: TailLogRequest) -> None:
        answers = streams.log(stub, request, handle=self._handle, on_server_away=lambda: None)
        # The requests for the task meet the same errors and report them.
        with contextlib.suppress(grpc.RpcError, ValueError):
            for line in log_lines(answers):
                self._lines.append(line_text(line))
