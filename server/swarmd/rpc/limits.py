"""The limits of RPC methods: sizes of requests and plans, streams of a token and of a connection.

Invariant: a limit is checked after the caller's token and before the request is decoded or the stream does any work.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from amplifier_swarm.channel import MAX_MESSAGE_BYTES
from swarmd.domain.caller_errors import TokenInvalid
from swarmd.domain.errors import InvalidRequest, TooManyStreams

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
    "LandWork": MAX_MESSAGE_BYTES,
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
    "GetArtifact": 16,
    "AddArtifact": 2,
    "FollowDatabase": 4,
    "ServerReflectionInfo": 4,
    # Callers without a token have this number together.
    "StreamIsActive": 64,
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


@dataclass(eq=False, slots=True)
class OpenStream:
    """A stream of a token, as the task that serves it sees it."""

    task: "asyncio.Task[Any]"
    # Set while gRPC sends a message: a cancellation would then end the task without a status for the client.
    sending: bool = False
    revoked: bool = False

    def check(self) -> None:
        """Raises TokenInvalid once the token is revoked."""
        if self.revoked:
            raise TokenInvalid


class OpenStreams:
    """The registry of open streams by token: it limits their number and ends those of a revoked token."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, set[OpenStream]] = defaultdict(set)
        self._counts: Counter[tuple[str, str]] = Counter()

    @contextlib.contextmanager
    def hold(self, token_id: str, method: str) -> Iterator[OpenStream]:
        """Counts the current task's stream while the block runs.

        Raises: TooManyStreams if the token has too many of this method; TokenInvalid once the token is revoked.
        """
        task = asyncio.current_task()
        assert task is not None
        stream, key = OpenStream(task), (token_id, method)
        limit = MAX_STREAMS.get(method)
        if limit is not None and self._counts[key] >= limit:
            raise TooManyStreams(method, limit)
        self._counts[key] += 1
        self._streams[token_id].add(stream)
        try:
            yield stream
        except asyncio.CancelledError:
            if not stream.revoked:
                raise
            task.uncancel()
            raise TokenInvalid from None
        finally:
            self._forget(key, stream)

    def end_streams(self, token_id: str) -> None:
        """Ends all streams of a token that was revoked; a stream that is sending ends after that message."""
        for stream in self._streams.get(token_id, ()):
            stream.revoked = True
            if not stream.sending:
                stream.task.cancel()

    def _forget(self, key: tuple[str, str], stream: OpenStream) -> None:
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
        streams = self._streams[key[0]]
        streams.discard(stream)
        if not streams:
            del self._streams[key[0]]
