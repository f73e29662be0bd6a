"""The connection to one server: its methods, and the token that goes with every call.

Invariant: a token file is read again before the first call after its change, and files of TLS before a stream is opened
again. Files that can't be used are reported once, and what was read before stays in use.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.credentials import read_token
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.file_changes import FileChanges
from amplifier_swarm.v1.session_service_pb2_grpc import SessionServiceStub
from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceStub
from swarm_worker.config import WorkerConfig
from swarm_worker.storage.state_dir import StateFolder

if TYPE_CHECKING:  # this class exists for type checkers only
    from amplifier_swarm.v1.session_service_pb2_grpc import SessionServiceAsyncStub
    from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub

# The time that calls of a replaced channel get: those that wait for the right to land take longest.
OLD_CALLS_S: Final = 30.0

_log = structlog.get_logger()


class ServerConnection:
    """The methods of a server, and the metadata that each call must pass."""

    def __init__(
        self,
        service: "WorkerServiceAsyncStub",
        metadata: tuple[tuple[str, str], ...],
        sessions: "SessionServiceAsyncStub | None" = None,
    ) -> None:
        self._service = service
        self._metadata = metadata
        self._sessions = sessions

    @property
    def service(self) -> "WorkerServiceAsyncStub":
        """The methods, of the newest channel."""
        return self._service

    @property
    def sessions(self) -> "SessionServiceAsyncStub":
        """The methods for sessions, of the newest channel; the worker's own token opens none of them."""
        assert self._sessions is not None
        return self._sessions

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata, of the newest token."""
        return self._metadata

    def renew(self) -> None:
        """Dials again if files of TLS have changed."""


class DialledConnection(ServerConnection):
    """A connection by a channel of this process."""

    def __init__(self, endpoint: Endpoint) -> None:
        # Before the files are read: what changes meanwhile is found by the next look.
        self._token_changes = FileChanges([endpoint.token_file] if endpoint.token_file else [])
        self._tls_changes = FileChanges(endpoint.tls_files)
        self._endpoint = endpoint
        self._channel = dial(endpoint)
        self._closing: set[asyncio.Task[None]] = set()
        super().__init__(
            WorkerServiceStub(self._channel), endpoint.metadata, SessionServiceStub(self._channel)
        )
        if endpoint.token_file is not None:
            self._read_token(endpoint.token_file)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """See ServerConnection."""
        if (file := self._endpoint.token_file) is not None and self._token_changes.poll():
            self._read_token(file)
        return self._metadata

    def renew(self) -> None:
        """See ServerConnection. Calls that are open stay on the old channel."""
        if not self._tls_changes.poll():
            return
        try:
            channel = dial(self._endpoint)
        except ProgramExit as error:
            _log.warning("the new TLS files can't be used; the old ones stay in use", why=error.message)
            return
        _log.info("the TLS files have changed; dialling with them")
        closing = asyncio.create_task(self._channel.close(OLD_CALLS_S))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._channel, self._service = channel, WorkerServiceStub(channel)
        self._sessions = SessionServiceStub(channel)

    def _read_token(self, file: Path) -> None:
        try:
            token = read_token(file)
        except ProgramExit as error:
            _log.warning("the new token can't be used; the old one stays in use", why=error.message)
            return
        if token != self._endpoint.token:
            self._endpoint = replace(self._endpoint, token=token)
            self._metadata = self._endpoint.metadata
            _log.info("the token file has changed; its token is used from now on", file=str(file))

    async def close(self) -> None:
        """Closes all channels; ends their calls."""
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close()


async def completed(endpoint: Endpoint, config: WorkerConfig, folder: StateFolder) -> Endpoint:
    """Returns the endpoint with all that calls need; only a worker that is new to its server waits for it here.

    Raises:
        ProgramExit: The server has another CA, or does not take the join token.
    """
    if not endpoint.needs_first_contact:
        return endpoint
    from swarm_worker.rpc.arrival import arrive  # noqa: PLC0415  # few workers need it

    return await arrive(endpoint, config, folder)


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[ServerConnection]:
    """Opens a channel and closes it at the end; nothing is dialled before the first call."""
    connection = DialledConnection(endpoint)
    try:
        yield connection
    finally:
        await connection.close()
