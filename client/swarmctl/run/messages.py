"""What the conductor of a run waits for, all in one place: events, ends of children, signals.

The rule: nothing is polled. Threads and the signal handler put messages in; one loop takes them out.
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

# What a person or a supervisor sends to end a run; a closed terminal sends the last.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class EventsReceived:
    """Something changed in the swarm."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class ChildExited:
    """A child has ended."""

    child: Child
    code: int


@dataclass(frozen=True, slots=True)
class StdoutLine:
    """A line of a child's stdout; empty at its end."""

    line: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The user wants an end."""


@dataclass(frozen=True, slots=True)
class EventStreamBroken:
    """The event stream broke for good; what else ends will say why."""


Message = EventsReceived | ChildExited | StdoutLine | Interrupted | EventStreamBroken


class MessageQueue:
    """The messages, in the order in which they came."""

    def __init__(self) -> None:
        # The one queue of the standard library that a signal handler may put into.
        self._queue: SimpleQueue[Message] = SimpleQueue()

    def take(self, deadline: float | None) -> Message | None:
        """The next message; None if none comes before the deadline of the monotonic clock."""
        timeout_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return self._queue.get(timeout=timeout_s)
        except Empty:
            return None

    def watch_child(self, child: Child) -> None:
        """Says when it has ended."""

        def wait() -> None:
            code = child.wait()
            self._queue.put(ChildExited(child, 0 if code is None else code))

        threading.Thread(target=wait, name=f"wait-{child.name}", daemon=True).start()

    def watch_lines(self, descriptor: int) -> None:
        """Passes lines on as they come, to the end, so that whoever writes them never blocks."""

        def read() -> None:
            with os.fdopen(descriptor, errors="replace") as lines:
                for line in lines:
                    self._queue.put(StdoutLine(line))
            self._queue.put(StdoutLine(""))

        threading.Thread(target=read, name="lines", daemon=True).start()

    def watch_events(self, batches: Iterable[Sequence[Event]]) -> None:
        """Passes events on as they come."""

        def read() -> None:
            try:
                for batch in batches:
                    self._queue.put(EventsReceived(batch))
            except Exception:  # noqa: BLE001  # the loop goes on without events, and ends with the children
                self._queue.put(EventStreamBroken())

        threading.Thread(target=read, name="events", daemon=True).start()

    @contextmanager
    def catching_signals(self) -> Iterator[None]:
        """Turns signals into messages meanwhile."""

        def on_signal(_number: int, _frame: Any) -> None:
            self._queue.put(Interrupted())

        before = {number: signal.getsignal(number) for number in _SIGNALS}
        # What is ignored stays so: that is how nohup keeps a run alive.
        heard = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]
        for number in heard:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number in heard:
                signal.signal(number, before[number])
