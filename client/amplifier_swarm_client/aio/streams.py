"""Streams of the server that go on over its restarts.

Invariant: a reader waits for the next message and never polls; no message is delivered twice. Make one call
before: it reports a typo at once, so that the stream has only outages to wait for.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import (
    FollowDatabaseRequest,
    FollowDatabaseResponse,
    TailLogRequest,
    TailLogResponse,
    WatchEventsRequest,
)
from amplifier_swarm_client.aio.connection import CallConnection, StreamHandle
from amplifier_swarm_client.errors import NoAnswer, SwarmError
from amplifier_swarm_client.timeouts import Deadline, ReconnectWait

Item = TypeVar("Item")


def ignore() -> None:
    """Does nothing."""


async def events(
    connection: CallConnection,
    *,
    after: int,
    task_id: str = "",
    follow: bool = True,
    within_s: float | None = None,
    on_server_away: Callable[[], None] = ignore,
) -> AsyncGenerator[list[Event], None]:
    """Yields the events after `after` in batches; with `follow`, without end or for `within_s` seconds.

    `on_server_away` is called when the server is away and the stream waits for it.
    """
    request = WatchEventsRequest(after_seq=after, task_id=task_id, follow=follow)
    deadline = Deadline(within_s)

    async def open_stream() -> AsyncGenerator[list[Event], None]:
        stream = connection.stream("WatchEvents", request, timeout_s=deadline.remaining_s())
        async with aclosing(stream) as answers:
            async for answer in answers:
                if answer.events:
                    request.after_seq = answer.events[-1].seq
                    yield list(answer.events)

    batches = (
        _reopening(open_stream, deadline=deadline, on_server_away=on_server_away) if follow else open_stream()
    )
    async with aclosing(batches):
        async for batch in batches:
            yield batch


async def log(
    connection: CallConnection,
    request: TailLogRequest,
    *,
    handle: StreamHandle | None = None,
    on_server_away: Callable[[], None] = ignore,
) -> AsyncGenerator[TailLogResponse, None]:
    """Yields the output of sessions; with `follow`, until the task has ended or the handle is cancelled."""
    handle = handle or StreamHandle()

    async def open_stream() -> AsyncGenerator[TailLogResponse, None]:
        async with aclosing(connection.stream("TailLog", request, handle=handle)) as answers:
            async for answer in answers:
                if answer.entries:
                    request.after_cursor = answer.entries[-1].cursor
                    yield answer

    answers = (
        _reopening(open_stream, on_server_away=on_server_away, ends_with_stream=True, handle=handle)
        if request.follow
        else open_stream()
    )
    async with aclosing(answers):
        async for answer in answers:
            yield answer


async def database(
    connection: CallConnection, *, on_server_away: Callable[[], None] = ignore
) -> AsyncGenerator[FollowDatabaseResponse, None]:
    """Yields the database and its commits, without end; after a break everything begins again with `begin`."""
    parts = _reopening(
        lambda: connection.stream("FollowDatabase", FollowDatabaseRequest()), on_server_away=on_server_away
    )
    async with aclosing(parts):
        async for part in parts:
            yield part


async def _reopening(
    open_stream: Callable[[], AsyncGenerator[Item, None]],
    *,
    on_server_away: Callable[[], None],
    deadline: Deadline | None = None,
    ends_with_stream: bool = False,
    handle: StreamHandle | None = None,
) -> AsyncGenerator[Item, None]:
    """Yields the items of the stream, and opens the stream again whenever it breaks."""
    deadline, backoff = deadline or Deadline(None), ReconnectWait()
    while not deadline.expired:
        try:
            stream = open_stream()
            async with aclosing(stream):
                async for item in stream:
                    backoff.reset()
                    yield item
            if ends_with_stream:
                return
        except NoAnswer:
            # The time of the stream is over; a stream without a deadline has no such error of its own.
            if deadline.remaining_s() is not None:
                return
            raise
        except SwarmError as error:
            if not error.passing:
                raise
        if handle is not None and handle.cancelled:
            return
        if backoff.fresh:
            on_server_away()
        await asyncio.sleep(backoff.next_s())
