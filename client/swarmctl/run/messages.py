"""The queue of everything that the supervisor of a run waits for: events, exits of children, signals.

Invariant: nothing is polled. Threads and the signal handler put messages in; one loop takes them out.
"""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from amplifier_swarm.v1.event_pb2 import Event
from swarmctl.run.child_process import Child

# The signals that end a run; a closed terminal sends SIGHUP.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class EventsReceived:
    """Events of the swarm."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class ChildExited:
    """The exit of a child."""

    child: Child
    code: int


@dataclass(frozen=True, slots=True)
class StdoutLine:
    """A line of a child's stdout; empty at the end of the stream."""

    line: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A request of the user to stop."""


@dataclass(frozen=True, slots=True)
class EventStreamBroken:
    """The final end of the event stream; another message will give the reason."""


RunMessage = EventsReceived | ChildExited | StdoutLine | Interrupted | EventStreamBroken


class MessageQueue:
    """The messages in the order of their arrival."""

    def __init__(self) -> None:
        # The only queue of the standard library that is safe in a signal handler.
        self._queue: SimpleQueue[RunMessage] = SimpleQueue()

    def get(self, deadline: float | None) -> RunMessage | None:
        """Returns the next message; None if none arrives before the deadline of the monotonic clock."""
        timeout_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return self._queue.get(timeout=timeout_s)
        except Empty:
            return None

    def watch_child(self, child: Child) -> None:
        """Queues a message when the child has ended."""

        def wait() -> None:
            code = child.wait()
            self._queue.put(ChildExited(child, 0 if code is None else code))

        threading.Thread(target=wait, name=f"wait-{child.name}", daemon=True).start()

    def watch_lines(self, descriptor: int) -> None:
        """Queues the lines of a pipe to its end, so that the writer never blocks."""

        def read() -> None:
            with os.fdopen(descriptor, errors="replace") as lines:
                for line in lines:
                    self._queue.put(StdoutLine(line))
            self._queue.put(StdoutLine(""))

        threading.Thread(target=read, name="lines", daemon=True).start()

    def watch_events(self, batches: Iterable[Sequence[Event]]) -> None:
        """Queues events as they arrive."""

        def read() -> None:
            try:
                for batch in batches:
                    self._queue.put(EventsReceived(batch))
            except Exception:  # noqa: BLE001  # the loop goes on without events, and ends with the children
                self._queue.put(EventStreamBroken())

        threading.Thread(target=read, name="events", daemon=True).start()

    @contextmanager
    def signals_as_messages(self) -> Iterator[None]:
        """Turns signals into messages inside the context."""

        def on_signal(_number: int, _frame: Any) -> None:
            self._queue.put(Interrupted())

        before = {number: signal.getsignal(number) for number in _SIGNALS}
        # Ignored signals stay ignored: nohup relies on this.
        heard = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]
        for number in heard:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number in heard:
                signal.signal(number, before[number])
