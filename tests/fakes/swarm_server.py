"""A fake swarmd for one real worker: a test chooses its messages and answers; it records every request."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.errors import WireError, pack
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import LogEntry
from amplifier_swarm.v1.worker_service_pb2_grpc import (
    WorkerServiceServicer,
    add_WorkerServiceServicer_to_server,
)
from support.waiting import eventually

Context = grpc.aio.ServicerContext[Any, Any]
SWARM_ID = "0123456789ab"
TOKEN: Final = "test-token"  # valid for this fake only
_CLAIM_FIELDS: Final = (
    *("findings", "last_error", "base", "first_base", "previous_head", "previous_failure"),
    *("starts_at", "work", "creation"),
)
WORKER: Final = Path(sys.executable).with_name("swarm-worker")


def _go(_record: wire.SessionRecord) -> wire.SessionAnswer:
    return wire.SessionAnswer(go=True)


@dataclass
class FakeSwarm(WorkerServiceServicer):
    """A fake of the worker's service; its fields set the answers and hold the requests."""

    interval_s: float = 0.2
    stop_after_s: float = 60.0
    swarm_id: str = SWARM_ID
    go: Callable[[wire.SessionRecord], wire.SessionAnswer] = _go
    disposition: wire.FinishDisposition.ValueType = wire.FINISH_DISPOSITION_ACCEPTED
    # Sent with the answer to each heartbeat, for the leases that it lists.
    orders: list[wire.Order] = field(default_factory=list)
    notice: wire.SwarmNotice | None = None
    # The answer to requests for the right to land.
    landing: wire.LandTaskResponse = field(default_factory=lambda: wire.LandTaskResponse(granted=True))
    # The methods that fail, with their codes.
    failing: dict[str, grpc.StatusCode] = field(default_factory=dict)
    registered: list[wire.ClaimTaskRequest] = field(default_factory=list)
    beats: list[wire.HeartbeatRequest] = field(default_factory=list)
    starts: list[wire.SessionRecord] = field(default_factory=list)
    ends: list[wire.SessionRecord] = field(default_factory=list)
    entries: dict[str, list[LogEntry]] = field(default_factory=dict)
    finished: list[wire.FinishedAttempt] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    _streams: list[asyncio.Queue[wire.ClaimTaskResponse | None]] = field(default_factory=list)

    @property
    def outcomes(self) -> Mapping[str, task_pb2.Outcome]:
        """The outcomes by lease id."""
        return {item.lease_id: item.outcome for item in self.finished}

    @property
    def held(self) -> set[str] | None:
        """The leases of the last heartbeat; None before the first."""
        return set(self.beats[-1].lease_ids) if self.beats else None

    def send(self, **fields: Any) -> None:
        """Sends a message on the newest stream."""
        self._streams[-1].put_nowait(wire.ClaimTaskResponse(**fields))

    def end_stream(self) -> None:
        """Ends the newest stream without a reason."""
        self._streams[-1].put_nowait(None)

    async def JoinSwarm(  # noqa: N802  # the wire's name
        self, request: wire.JoinSwarmRequest, context: Context
    ) -> wire.JoinSwarmResponse:
        await self._check("JoinSwarm", context)
        return wire.JoinSwarmResponse(labels=request.labels)

    async def ClaimTask(  # noqa: N802  # the wire's name
        self, request: wire.ClaimTaskRequest, context: Context
    ) -> AsyncIterator[wire.ClaimTaskResponse]:
        await self._check("ClaimTask", context)
        self.registered.append(request)
        queue: asyncio.Queue[wire.ClaimTaskResponse | None] = asyncio.Queue()
        self._streams.append(queue)
        opened = wire.Opened(
            heartbeat_interval=_duration(self.interval_s),
            stop_after=_duration(self.stop_after_s),
            server_version="fake",
            swarm_id=self.swarm_id,
        )
        yield wire.ClaimTaskResponse(opened=opened, notice=self.notice)
        while (response := await queue.get()) is not None:
            yield response

    async def Heartbeat(  # noqa: N802  # the wire's name
        self, request: wire.HeartbeatRequest, context: Context
    ) -> wire.HeartbeatResponse:
        await self._check("Heartbeat", context)
        self.beats.append(request)
        return wire.HeartbeatResponse(
            orders=[order for order in self.orders if order.lease_id in request.lease_ids],
            heartbeat_interval=_duration(self.interval_s),
            notice=self.notice,
        )

    async def RecordSession(  # noqa: N802  # the wire's name
        self, request: wire.RecordSessionRequest, context: Context
    ) -> wire.RecordSessionResponse:
        await self._check("RecordSession", context)
        return wire.RecordSessionResponse(answers=[self._record(record) for record in request.records])

    async def ReportProgress(  # noqa: N802  # the wire's name
        self, request: wire.ReportProgressRequest, context: Context
    ) -> wire.ReportProgressResponse:
        await self._check("ReportProgress", context)
        self._report(request.sessions)
        return wire.ReportProgressResponse()

    async def FinishTask(  # noqa: N802  # the wire's name
        self, request: wire.FinishTaskRequest, context: Context
    ) -> wire.FinishTaskResponse:
        await self._check("FinishTask", context)
        self._report(request.sessions)
        for finished in request.finished:
            self.ends.extend(finished.ends)
        self.finished.extend(request.finished)
        result = wire.FinishResult(disposition=self.disposition)
        return wire.FinishTaskResponse(results=[result] * len(request.finished))

    async def LandTask(  # noqa: N802  # the wire's name
        self, request: wire.LandTaskRequest, context: Context
    ) -> wire.LandTaskResponse:
        await self._check("LandTask", context)
        return self.landing

    async def PutArtifact(  # noqa: N802  # the wire's name
        self, request_iterator: AsyncIterator[wire.PutArtifactRequest], context: Context
    ) -> wire.PutArtifactResponse:
        await self._check("PutArtifact", context)
        name, content = "", b""
        async for request in request_iterator:
            name = request.upload.name or name
            content += request.chunk
        self.artifacts[name] = content
        return wire.PutArtifactResponse(sha256="0" * 64)

    def _report(self, sessions: Iterable[wire.SessionProgress]) -> None:
        for session in sessions:
            self.entries.setdefault(session.session_id, []).extend(session.entries)

    def _record(self, record: wire.SessionRecord) -> wire.SessionAnswer:
        if record.HasField("end"):
            self.ends.append(record)
            return wire.SessionAnswer(go=True)
        answer = self.go(record)
        self.starts.append(record)
        return answer

    async def _check(self, method: str, context: Context) -> None:
        self.calls[method] += 1
        if dict(context.invocation_metadata() or ()).get("authorization") != f"Bearer {TOKEN}":
            error = WireError(grpc.StatusCode.UNAUTHENTICATED, "no such token", "TOKEN_INVALID")
            await context.abort_with_status(pack(error))
        if code := self.failing.get(method):
            await context.abort(code, "as the test wants it")


@dataclass
class Address:
    """The address of a fake; the fake can be down for a while."""

    fake: FakeSwarm
    port: int = 0
    _server: "grpc.aio.Server | None" = None

    @property
    def text(self) -> str:
        """The address as HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    async def up(self) -> None:
        """Serves, at the same port as before."""
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        add_WorkerServiceServicer_to_server(self.fake, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def down(self) -> None:
        """Ends every call and stops listening."""
        if self._server is not None:
            await self._server.stop(0)
        self._server = None


class WorkerProcess:
    """A real `swarm-worker` in a folder of its own."""

    def __init__(self, folder: Path, server: str) -> None:
        self.project = folder / "project"
        self.state = folder / "state"
        self.project.mkdir(parents=True, exist_ok=True)
        self._server = server
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text(TOKEN, encoding="ascii")

    def script(self, name: str, body: str) -> str:
        """Writes a shell script into the project; returns the command that runs it."""
        (self.project / name).write_text(body, encoding="utf-8")
        return f"/bin/sh {self.project / name}"

    def start(
        self, *flags: str, builder: str = "true", validator: str = "", within: Sequence[str] = ()
    ) -> None:
        """Starts the worker with the `command` runner; `within` is a program that execs it."""
        argv = [*within, str(WORKER), "--server", self._server, "--token-file", str(self._folder / "token")]
        argv += ["--project-root", str(self.project), "--state-dir", str(self.state), "--name", "w1"]
        argv += ["--runner", "command", "--builder-command", builder, "--kill-grace", "0.3"]
        argv += ["--validator-command", validator] if validator else ["--no-validation"]
        with (self._folder / "out").open("ab") as out, (self._folder / "err").open("ab") as err:
            self._process = subprocess.Popen(
                [*argv, *flags], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        """The text on its stdout."""
        return (self._folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """The text on its stderr."""
        return (self._folder / "err").read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def until(self, condition: Callable[[], object], *, what: str) -> None:
        """Waits for a condition; fails if the worker ends first."""
        process = self._process
        assert process is not None
        try:
            await eventually(lambda: condition() or process.poll() is not None, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.err}") from None
        assert condition(), f"it ended with {process.returncode} before {what}\n{self.err}"

    def signal(self, number: int) -> None:
        """Sends the worker a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        """Waits for the end of the worker; returns its exit code."""
        process = self._process
        assert process is not None
        await eventually(lambda: process.poll() is not None, f"the worker ends\n{self.err}")
        return int(process.returncode)

    def end(self) -> None:
        """Kills the worker if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@asynccontextmanager
async def fake_swarm() -> AsyncIterator[Address]:
    """Serves a fake until the end."""
    address = Address(FakeSwarm())
    await address.up()
    try:
        yield address
    finally:
        await address.down()


def claim(lease_id: str, **fields: Any) -> wire.Claim:
    """Returns a claim; by default the task has the name of the lease."""
    fields.setdefault("task_id", lease_id)
    attempt = fields.pop("attempt", 1)
    extra = {name: fields.pop(name) for name in _CLAIM_FIELDS if name in fields}
    return wire.Claim(
        task=task_pb2.TaskDefinition(**fields), lease_id=lease_id, attempt=attempt, epoch=1, **extra
    )


async def outcome_of(fake: FakeSwarm, worker: WorkerProcess, sent: wire.Claim) -> task_pb2.Outcome:
    """Sends the claim as soon as the worker is registered; returns the attempt's outcome."""
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[sent])
    await worker.until(lambda: sent.lease_id in fake.outcomes, what="an outcome")
    return fake.outcomes[sent.lease_id]


def write_script(folder: Path, name: str, body: str) -> str:
    """Writes a shell script; returns the command that runs it."""
    (folder / name).write_text(body, encoding="utf-8")
    return f"/bin/sh {folder / name}"


def stop(lease_id: str, action: wire.OrderAction.ValueType = wire.ORDER_ACTION_STOP) -> wire.Order:
    """Returns an order to stop an attempt."""
    return wire.Order(lease_id=lease_id, action=action, cause="the test wants it")


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMicroseconds(int(seconds * 1e6))
    return duration
