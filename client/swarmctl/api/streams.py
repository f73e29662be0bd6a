"""Streams of the Python client with the errors and the messages of swarmctl.

Make one call before: it reports a typo at once, so that the stream has only outages to wait for.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

import grpc

from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.operator_service_pb2 import FollowDatabaseResponse, TailLogRequest, TailLogResponse
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm_client.blocking import streams
from amplifier_swarm_client.blocking.connection import StreamHandle
from amplifier_swarm_client.errors import SwarmError
from swarmctl.api.connection import calls_of
from swarmctl.console import print_err

Item = TypeVar("Item")


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
    """Yields the events after `after` in batches; with `follow`, without end or for `within_s` seconds."""
    return with_rpc_errors(
        streams.events(
            calls_of(stub),
            after=after,
            task_id=task_id,
            follow=follow,
            within_s=within_s,
            on_server_away=on_server_away,
        )
    )


def log(
    stub: OperatorServiceStub,
    request: TailLogRequest,
    *,
    handle: StreamHandle | None = None,
    on_server_away: Callable[[], None] = _report_server_away,
) -> Iterator[TailLogResponse]:
    """Yields the output of sessions; with `follow`, until the task has ended or the handle is cancelled."""
    return with_rpc_errors(streams.log(calls_of(stub), request, handle=handle, on_server_away=on_server_away))


def database(
    stub: OperatorServiceStub, *, on_server_away: Callable[[], None] = _report_server_away
) -> Iterator[FollowDatabaseResponse]:
    """Yields the database and its commits, without end; after a break everything begins again with `begin`."""
    return with_rpc_errors(streams.database(calls_of(stub), on_server_away=on_server_away))


def with_rpc_errors(items: Iterable[Item]) -> Iterator[Item]:
    """Yields the items; raises errors of the client as those of gRPC, which commands turn into exits."""
    try:
        yield from items
    except SwarmError as error:
        if isinstance(error.__cause__, grpc.RpcError):
            raise error.__cause__ from None
        raise


def tolerate_outage(call: Callable[[], object]) -> None:
    """Makes a call whose loss an open stream makes good; raises the errors that are not about an outage."""
    try:
        call()
    except grpc.RpcError as error:
        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise


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
