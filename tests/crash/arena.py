"""A real swarmd that dies at a failpoint, real workers that survive it, and a client that retries."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import grpc

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from support import programs
from support.database import faults
from support.ledger import Ledger
from support.plans import Plan
from support.programs import Program, Stage
from support.server import Client
from support.waiting import eventually

# Long timeouts: a program that is slow on a busy machine must not be given up.
FLAGS = ("--heartbeat-interval", "0.2", "--retry-backoff", "0.05")
_DOWN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass
class Arena:
    """A folder with one server after the other, and the ledger that the sessions write."""

    stage: Stage
    ledger: Ledger
    died: int = 0
    # The failpoints of the next servers, one for each.
    failpoints: list[str] = field(default_factory=list)
    failpoint: str = ""
    _server: Program | None = field(default=None, repr=False)
    _client: Client | None = field(default=None, repr=False)

    @property
    def server(self) -> Program:
        """Returns the server that was started last."""
        assert self._server is not None
        return self._server

    @property
    def db(self) -> Path:
        return self.stage.state / "swarm.db"

    def start(self, failpoint: str = "", *flags: str) -> Program:
        """Starts a server that dies at the failpoint; it may do so before it is ready."""
        self.failpoint = failpoint
        env = {"SWARM_TESTING": "1", "SWARM_FAILPOINT": failpoint} if failpoint else {}
        argv = ("--listen", self.stage.address or "127.0.0.1:0", *FLAGS, *flags)
        self._server = self.stage.start("swarmd", *argv, program="swarmd", env=env)
        return self._server

    def crash(self) -> None:
        """Kills the server; its WAL stays."""
        self.server.kill()

    async def tend(self) -> None:
        """Waits until the server is ready; starts another one if it is dead."""
        while not (ready := _is_ready(self.server)):
            code = self.server.process.poll()
            if code is None:
                await asyncio.sleep(0.01)
                continue
            assert code == -signal.SIGKILL, f"it ended without a kill, with {code}: {self.server.said()}"
            self._start_next()
        if not self.stage.address:
            self.stage.address = ready
        if self.server.process.poll() is not None:
            self._start_next()
            await self.tend()

    def _start_next(self) -> None:
        self.died += 1
        self.start(self.failpoints.pop(0) if self.failpoints else "")

    async def client(self) -> Client:
        """Returns the client; its token comes from the first start."""
        if self._client is None:
            token = (self.db.parent / "token").read_text().strip()
            endpoint = Endpoint(self.stage.address, token)
            self._client = Client(dial(endpoint), endpoint.metadata)
        return self._client

    async def insist(self, ask: Callable[[Client], Awaitable[Any]]) -> Any:
        """Calls `ask` until it returns an answer, whatever happens to the server."""
        while True:
            await self.tend()
            try:
                return await ask(await self.client())
            except grpc.aio.AioRpcError as error:
                if error.code() not in _DOWN:
                    raise
                await asyncio.sleep(0.02)

    async def call(self, method: str, request: Any) -> Any:
        """Makes one call of the operator service, with retries."""
        return await self.insist(lambda client: client.call(method, request))

    async def add(self, plan: Plan, **fields: Any) -> None:
        """Adds the tasks."""
        tasks = [
            task_pb2.TaskDefinition(task_id=task, name=task, dependencies=wanted, **fields)
            for task, wanted in plan.items()
        ]
        await self.insist(lambda client: client.add(*tasks))

    async def add_large(self) -> None:
        """Adds tasks with more text than SQLite caches of a copy; most of it stays in the WAL."""
        for number in range(4):
            await self.add({f"large-{number}": []}, description="x" * 900_000)

    async def until(self, task: str, status: str) -> None:
        """Waits until the task has the status."""

        async def there() -> bool:
            found = await self.call("GetTask", pb.GetTaskRequest(task_id=task))
            return task_pb2.TaskStatus.Name(found.task.status) == f"TASK_STATUS_{status.upper()}"

        await eventually(there, f"{task} is {status}", deadline_s=60)

    async def backup(self) -> Path:
        """Makes a backup and returns its path."""

        async def read(client: Client) -> bytes:
            stream = client.operator.Backup(pb.BackupRequest(), metadata=client.metadata)
            return b"".join([message.chunk async for message in stream])

        path = self.stage.folder / "backup.db"
        path.write_bytes(await self.insist(read))
        return path

    async def stop(self) -> int:
        """Ends the server as an operator would; returns its exit code."""
        await self.tend()
        return await asyncio.to_thread(self.server.end)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.channel.close()
            self._client = None

    def faults(self) -> list[str]:
        """Returns the faults of the database of a server that has ended."""
        connection = apsw.Connection(str(self.db), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return faults(connection)
        finally:
            connection.close()


@asynccontextmanager
async def arena(folder: Path) -> AsyncIterator[Arena]:
    """Yields an arena in the folder; ends all its programs with the block."""
    with programs.stage(folder) as stage:
        found = Arena(stage, Ledger(folder / "ledger"))
        try:
            yield found
        finally:
            await found.close()


def _is_ready(server: Program) -> str:
    line = server.out.read_text().partition("\n")
    if not line[1] or not line[0].startswith("swarmd ready"):
        return ""
    return dict(word.split("=", 1) for word in line[0].split() if "=" in word)["grpc"]
