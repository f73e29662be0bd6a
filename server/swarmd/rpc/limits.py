"""The limits of RPC methods: sizes of requests and plans, streams of a token and of a connection.

Invariant: a limit is checked after the caller's token and before the request is decoded or the stream does any work.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Final

from amplifier_swarm.channel import MAX_MESSAGE_BYTES
from swarmd.domain.errors import InvalidRequest, TokenInvalid, TooManyStreams

# HTTP/2 streams of a connection. A worker has a handful; a process that watches for many people opens more connections.
MAX_STREAMS_PER_CONNECTION: Final = 128
# A connection without a call is closed after this time; gRPC's clients dial again by themselves.
IDLE_CONNECTION_MS: Final = 60_000

MAX_REQUEST_BYTES: Final = 1024 * 1024
# Methods whose requests are long lists or carry texts.
_MAX_REQUEST_BYTES: Final = {
    "AddTasks": MAX_MESSAGE_BYTES,
    "ReportProgress": MAX_MESSAGE_BYTES,
    "FinishTask": MAX_MESSAGE_BYTES,
    "KillTask": MAX_MESSAGE_BYTES,
    "RetryTask": MAX_MESSAGE_BYTES,
    "RecordSession": 4 * 1024 * 1024,
    "ClaimTask": 4 * 1024 * 1024,
}
# All messages of one AddTasks call together.
MAX_PLAN_BYTES: Final = 256 * 1024 * 1024
# The most calls of a method that a token may have open at a time. Workers share a token, so theirs are not limited.
MAX_STREAMS: Final = {
    "AddTasks": 4,
    "ExportTasks": 4,
    "WatchEvents": 256,
    "TailLog": 256,
    "ServerReflectionInfo": 4,
}


def check_size(method: str, data: bytes) -> None:
    """Raises InvalidRequest if a request of this method may not be so long."""
    limit = _MAX_REQUEST_BYTES.get(method, MAX_REQUEST_BYTES)
    if len(data) > limit:
        raise InvalidRequest(
            "request", f"has {len(data):,} bytes; send at most {limit:,} in a call of {method}"
        )


class OneAtATime:
    """A method of which one call runs at a time, over all tokens."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._running = False

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Marks the method as running while the block runs; raises TooManyStreams if it runs already."""
        if self._running:
            raise TooManyStreams(self._method, 1)
        self._running = True
        try:
            yield
        finally:
            self._running = False


class OpenStreams:
    """The registry of open streams by token: it limits their number and ends those of a revoked token."""

    def __init__(self) -> None:
        self._tasks: defaultdict[str, set[asyncio.Task[object]]] = defaultdict(set)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._revoked: set[asyncio.Task[object]] = set()

    @contextlib.asynccontextmanager
    async def hold(self, token_id: str, method: str) -> AsyncIterator[None]:
        """Counts the current task's stream while the block runs.

        Raises: TooManyStreams if the token has too many of this method; TokenInvalid once the token is revoked.
        """
        task = asyncio.current_task()
        assert task is not None
        with self._counted(token_id, method):
            self._tasks[token_id].add(task)
            try:
                yield
            except asyncio.CancelledError:
                if task not in self._revoked:
                    raise
                task.uncancel()
                raise TokenInvalid from None
            finally:
                self._forget(token_id, task)

    def cancel_all(self, token_id: str) -> None:
        """Ends all streams of a token that was revoked."""
        for task in self._tasks.get(token_id, ()):
            self._revoked.add(task)
            task.cancel()

    @contextlib.contextmanager
    def _counted(self, token_id: str, method: str) -> Iterator[None]:
        limit = MAX_STREAMS.get(method)
        if limit is not None and self._counts[token_id, method] >= limit:
            raise TooManyStreams(method, limit)
        self._counts[token_id, method] += 1
        try:
            yield
        finally:
            self._counts[token_id, method] -= 1
            if not self._counts[token_id, method]:
                del self._counts[token_id, method]

    def _forget(self, token_id: str, task: "asyncio.Task[object]") -> None:
        self._revoked.discard(task)
        tasks = self._tasks[token_id]
        tasks.discard(task)
        if not tasks:
            del self._tasks[token_id]
