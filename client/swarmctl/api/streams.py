"""Streams of the server that go on over its restarts.

Invariant: a reader waits for the next message and never polls; no message is delivered twice. Make one call
before: it reports a typo at once, so that the stream has only outages to wait for.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

import grpc

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import (
    FollowDatabaseRequest,
    FollowDatabaseResponse,
    TailLogRequest,
    TailLogResponse,
    WatchEventsRequest,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm_client.blocking.connection import StreamHandle
from amplifier_swarm_client.timeouts import Deadline
from swarmctl.console import print_err

Item = TypeVar("Item")

# A restart takes a second or two; a long outage is polled seldom.
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0


def _report_server_away() -> None:
    print_err("swarmctl: the server is away; waiting for it")


def events(
    stub: OperatorServiceStub,
    *,
    after: int,
    task_id: str = "",
    follow: bool = True,
    within_s: float | None = None,
    on_server_away: Callable[[], None] = _report_server_away,
) -> Iterator[list[Event]]:
    """Yields the events after `after` in batches; with `follow`, without end or for `within_s` seconds.

    `on_server_away` is called when the server is away and the stream waits for it.
    """
    request = WatchEventsRequest(after_seq=after, task_id=task_id, follow=follow)
    deadline = Deadline(within_s)

    def open_stream() -> Iterator[list[Event]]:
        for answer in stub.WatchEvents(request, timeout=deadline.remaining_s()):
            if answer.events:
                request.after_seq = answer.events[-1].seq
                yield list(answer.events)

    return (
        _reopening(open_stream, deadline=deadline, on_server_away=on_server_away) if follow else open_stream()
    )


def log(
    stub: OperatorServiceStub,
    request: TailLogRequest,
    *,
    handle: StreamHandle | None = None,
    on_server_away: Callable[[], None] = _report_server_away,
) -> Iterator[TailLogResponse]:
    """Yields the output of sessions; with `follow`, until the task has ended or the handle is cancelled."""
    handle = handle or StreamHandle()

    def open_stream() -> Iterator[TailLogResponse]:
        for answer in handle.attach(stub.TailLog(request)):
            if answer.entries:
                request.after_cursor = answer.entries[-1].cursor
                yield answer

    if not request.follow:
        return open_stream()
    return _reopening(
        open_stream,
        deadline=Deadline(None),
        on_server_away=on_server_away,
        ends_with_stream=True,
        handle=handle,
    )


def database(
    stub: OperatorServiceStub, *, on_server_away: Callable[[], None] = _report_server_away
) -> Iterator[FollowDatabaseResponse]:
    """Yields the database and its commits, without end; after a break everything begins again with `begin`."""
    return _reopening(
        lambda: stub.FollowDatabase(FollowDatabaseRequest()),
        deadline=Deadline(None),
        on_server_away=on_server_away,
    )


def tolerate_outage(call: Callable[[], object]) -> None:
    """Makes a call whose loss an open stream makes good; raises the errors that are not about an outage."""
    try:
        call()
    except grpc.RpcError as error:
        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise


def _reopening(
    open_stream: Callable[[], Iterator[Item]],
    *,
    deadline: Deadline,
    on_server_away: Callable[[], None],
    ends_with_stream: bool = False,
    handle: StreamHandle | None = None,
) -> Iterator[Item]:
    """Yields the items of the stream, and opens the stream again whenever it breaks."""
    wait_s = 0.0
    while not deadline.expired:
        try:
            for item in open_stream():
                wait_s = 0.0
                yield item
            if ends_with_stream:
                return
        except grpc.RpcError as error:
            if handle is not None and handle.cancelled:
                return
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and deadline.remaining_s() is not None:
                return
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        if wait_s == 0.0:
            on_server_away()
        wait_s = min(_LONGEST_WAIT_S, max(_FIRST_WAIT_S, wait_s * 2))
        # Jitter spreads the reconnects of many clients.
        time.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311  # no secret


def coalesced(batches: Iterable[list[Item]], *, pause_s: float) -> Iterator[list[Item]]:
    """Yields the same items with all that arrive within a pause in one batch, so that a slow reader keeps
    up.
    """
    queue: SimpleQueue[list[Item] | BaseException] = SimpleQueue()

    def read() -> None:
        try:
            for batch in batches:
                queue.put(batch)
        except BaseException as error:  # noqa: BLE001  # the reader below raises it
            queue.put(error)
        else:
            queue.put(EOFError())

    threading.Thread(target=read, name="follow", daemon=True).start()
    while True:
        items: list[Item] = []
        for found in _drain(queue):
            if isinstance(found, BaseException):
                if items:
                    yield items
                if isinstance(found, EOFError):
                    return
                raise found
            items += found
        yield items
        time.sleep(pause_s)


def _drain(queue: SimpleQueue[Item]) -> Iterator[Item]:
    """Yields all queued items; waits for one if the queue is empty."""
    yield queue.get()
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
