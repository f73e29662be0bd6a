"""Follows what the server streams, over its restarts.

The rule: whoever follows waits for the next message, never asks again and again; and what was seen once
is never shown twice. Call the server once before: then a typo is told, and only an outage is waited for.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import grpc

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import TailLogRequest, TailLogResponse, WatchEventsRequest
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.console import say

Item = TypeVar("Item")

# A server that restarts is back within a second or two; one that is down for the night is asked gently.
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0


class FollowLimit:
    """For how long something is followed; None is for ever."""

    def __init__(self, within_s: float | None) -> None:
        self._end_s = None if within_s is None else time.monotonic() + within_s

    def left_s(self) -> float | None:
        """The rest, in the way in which gRPC takes it."""
        return None if self._end_s is None else max(0.0, self._end_s - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it has been long enough."""
        return self.left_s() == 0.0


class StreamHandle:
    """Lets another thread end what is being followed."""

    def __init__(self) -> None:
        self.ended = False
        self._call: Any = None

    def take(self, call: Iterator[Item]) -> Iterator[Item]:
        """The call that is open now."""
        self._call = call
        if self.ended:
            self.end()
        return call

    def end(self) -> None:
        """Ends it, and what would be opened after it."""
        self.ended = True
        if self._call is not None:
            self._call.cancel()


def _tell_away() -> None:
    say("swarmctl: the server is away; waiting for it")


def events(
    stub: OperatorServiceStub,
    *,
    after: int,
    task_id: str = "",
    follow: bool = True,
    within_s: float | None = None,
    away: Callable[[], None] = _tell_away,
) -> Iterator[list[Event]]:
    """Events after one, in batches as they come; with `follow`, for ever or for so long.

    `away` is called when the server is away and waited for."""
    request = WatchEventsRequest(after_seq=after, task_id=task_id, follow=follow)
    limit = FollowLimit(within_s)

    def open_stream() -> Iterator[list[Event]]:
        for answer in stub.WatchEvents(request, timeout=limit.left_s()):
            if answer.events:
                request.after_seq = answer.events[-1].seq
                yield list(answer.events)

    return _over_restarts(open_stream, limit=limit, away=away) if follow else open_stream()


def log(
    stub: OperatorServiceStub,
    request: TailLogRequest,
    *,
    hold: StreamHandle | None = None,
    away: Callable[[], None] = _tell_away,
) -> Iterator[TailLogResponse]:
    """What sessions printed; with `follow`, until the task has ended or the hold is."""
    hold = hold or StreamHandle()

    def open_stream() -> Iterator[TailLogResponse]:
        for answer in hold.take(stub.TailLog(request)):
            if answer.entries:
                request.after_cursor = answer.entries[-1].cursor
                yield answer

    if not request.follow:
        return open_stream()
    return _over_restarts(open_stream, limit=FollowLimit(None), away=away, until_end=True, hold=hold)


def _over_restarts(
    open_stream: Callable[[], Iterator[Item]],
    *,
    limit: FollowLimit,
    away: Callable[[], None],
    until_end: bool = False,
    hold: StreamHandle | None = None,
) -> Iterator[Item]:
    """Opens the stream again whenever it breaks."""
    wait_s = 0.0
    while not limit.over:
        try:
            for item in open_stream():
                wait_s = 0.0
                yield item
            if until_end:
                return
        except grpc.RpcError as error:
            if hold is not None and hold.ended:
                return
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and limit.left_s() is not None:
                return
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        if wait_s == 0.0:
            away()
        wait_s = min(_LONGEST_WAIT_S, max(_FIRST_WAIT_S, wait_s * 2))
        # Jitter, so that not all who wait come back at once.
        time.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311  # no secret


def gathered(batches: Iterable[list[Item]], *, pause_s: float) -> Iterator[list[Item]]:
    """The same items, with all that came within a pause in one batch, so that a slow reader keeps up."""
    waiting: SimpleQueue[list[Item] | BaseException] = SimpleQueue()

    def read() -> None:
        try:
            for batch in batches:
                waiting.put(batch)
        except BaseException as error:  # noqa: BLE001  # the reader below raises it
            waiting.put(error)
        else:
            waiting.put(EOFError())

    threading.Thread(target=read, name="follow", daemon=True).start()
    while True:
        items: list[Item] = []
        for found in _all_of(waiting):
            if isinstance(found, BaseException):
                if items:
                    yield items
                if isinstance(found, EOFError):
                    return
                raise found
            items += found
        yield items
        time.sleep(pause_s)


def _all_of(waiting: SimpleQueue[Item]) -> Iterator[Item]:
    """What waits; if nothing does, the next that comes."""
    yield waiting.get()
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return
