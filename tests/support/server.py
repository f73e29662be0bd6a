"""A real swarmd in this process: real gRPC on a free port, real SQLite."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from amplifier_swarm.channel import Endpoint, dial
from amplifier_swarm.errors import WireError, unpack
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import (
    operator_service_pb2_grpc,
    session_service_pb2_grpc,
    task_pb2,
    worker_service_pb2_grpc,
)
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from swarmd.config import ServerConfig
from swarmd.daemon import serve
from swarmd.engine.swarm import Swarm


@dataclass
class Client:
    """A client of one server with one token."""

    channel: grpc.aio.Channel
    metadata: tuple[tuple[str, str | bytes], ...]

    @property
    def operator(self) -> Any:
        return operator_service_pb2_grpc.OperatorServiceStub(self.channel)

    @property
    def worker(self) -> Any:
        return worker_service_pb2_grpc.WorkerServiceStub(self.channel)

    @property
    def session(self) -> Any:
        return session_service_pb2_grpc.SessionServiceStub(self.channel)

    async def call(self, method: str, request: Any) -> Any:
        """Makes a unary call of any service, by the method's name."""
        services = (self.worker, self.session, self.operator)
        service = next(found for found in services if hasattr(found, method))
        return await getattr(service, method)(request, metadata=self.metadata, timeout=20)

    async def add(self, *tasks: task_pb2.TaskDefinition, **fields: Any) -> operator_pb.AddTasksResponse:
        """Adds tasks."""
        planned = [operator_pb.PlannedTask(definition=task) for task in tasks]
        request = operator_pb.AddTasksRequest(tasks=planned, **fields)
        response: operator_pb.AddTasksResponse = await self.operator.AddTasks(
            iter([request]), metadata=self.metadata, timeout=20
        )
        return response

    async def get(self, task_id: str) -> operator_pb.GetTaskResponse:
        """Reads a task."""
        found: operator_pb.GetTaskResponse = await self.call(
            "GetTask", operator_pb.GetTaskRequest(task_id=task_id)
        )
        return found

    async def status(self, task_id: str) -> str:
        """Returns the status of a task as a word."""
        name = task_pb2.TaskStatus.Name((await self.get(task_id)).task.status)
        return name.removeprefix("TASK_STATUS_").lower()

    def claims(self, name: str = "w1", **fields: Any) -> Any:
        """Opens a claim stream."""
        defaults = {
            "incarnation": f"{name}-1",
            "instance": f"{name}-instance",
            "slots": 1,
            "runner": "command",
        }
        request = worker_pb.ClaimTaskRequest(worker=name, **(defaults | fields))  # type: ignore[arg-type]
        return self.worker.ClaimTask(request, metadata=self.metadata)


@dataclass
class Server:
    """A server and its address."""

    address: str
    token: str
    swarm: Swarm
    folder: Path
    clients: list[grpc.aio.Channel]
    dashboard: str = "off"

    def client(self, token: str | None = None) -> Client:
        endpoint = Endpoint(self.address, self.token if token is None else token)
        channel = dial(endpoint)
        self.clients.append(channel)
        return Client(channel, endpoint.metadata)


@contextlib.asynccontextmanager
async def server(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    """Runs a server on `folder`; a second one goes on from the same state."""
    config = ServerConfig(
        db=folder / "swarm.db", **({"dashboard": "off", "listen": "127.0.0.1:0"} | settings)
    )
    async with serve(config) as (serving, swarm):
        token = (folder / "token").read_text().strip()
        found = Server(serving.address, token, swarm, folder, [], dashboard=serving.dashboard)
        try:
            yield found
        finally:
            for channel in found.clients:
                await channel.close()


async def refusal(call: Any) -> WireError:
    """Awaits a call that must be refused; returns its error."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return unpack(error)
    raise AssertionError("the call was not refused")


async def end_of(stream: Any) -> grpc.StatusCode:
    """Reads a stream to its end; returns the status."""
    try:
        while await stream.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    code: grpc.StatusCode = await stream.code()
    return code


async def next_message(stream: Any) -> Any:
    """Reads the next message of a stream."""
    message = await stream.read()
    assert message is not grpc.aio.EOF, "the stream has ended"
    return message


async def next_claim(stream: Any) -> worker_pb.Claim:
    """Reads messages of a stream until one has a claim."""
    while True:
        message = await next_message(stream)
        if message.claims:
            claim: worker_pb.Claim = message.claims[0]
            return claim
