"""A server in this process with records of every kind, for malformed calls.

Its clock stands still, so that only the calls change the state.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import apsw
import grpc

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from support.clock import FakeClock
from support.database import faults
from support.server import Client, Server, next_message, server
from support.waiting import eventually
from swarmd.engine.attempts.landings import Landings

SLOTS = 6
BASE, HEAD = "a" * 40, "b" * 40


class State:
    """A fingerprint of the database, read over its own connection."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        self._version = -1
        self._print = ""
        found = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [str(row[0]) for row in found]
        # Tables that only grow are compared by their size.
        self._growing = [name for name in names if name in ("events", "session_log")]
        self._tables = [name for name in names if name not in self._growing and "sqlite" not in name]

    def close(self) -> None:
        self._connection.close()

    def fingerprint(self) -> str:
        """Returns a text that differs when anything in the database does."""
        version = int(self._connection.pragma("data_version"))
        if version != self._version:
            self._version, self._print = version, self._hash()
        return self._print

    def damage(self) -> list[str]:
        """Returns the faults of the database file."""
        return faults(self._connection)

    def _hash(self) -> str:
        found = hashlib.sha256()
        for table in self._tables:
            found.update(repr(self._connection.execute(f"SELECT * FROM {table}").fetchall()).encode())
        for table in self._growing:
            found.update(str(self._connection.execute(f"SELECT count(*) FROM {table}").get).encode())
        return found.hexdigest()


@dataclass
class PreparedServer:
    """A server, a client with the operator's token, and a worker's stream that is read all the time."""

    served: Server
    client: Client
    state: State
    claims: list[worker_pb.Claim] = field(default_factory=list)
    started: list[worker_pb.Claim] = field(default_factory=list)
    spare_token: str = ""
    # The metadata of calls with a join token, which JoinSwarm alone takes.
    join_metadata: tuple[tuple[str, str | bytes], ...] = ()
    # The metadata of calls with the token of a session that runs, which SessionService alone takes.
    session_metadata: tuple[tuple[str, str | bytes], ...] = ()
    stream: "asyncio.Task[None] | None" = None

    async def prepare(self) -> None:
        """Adds tasks in most statuses, a worker with leases, and tokens."""
        await self.client.add(*(_definition(n) for n in range(24)))
        token = await self.client.call(
            "CreateToken", pb.CreateTokenRequest(role=pb.ROLE_VIEWER, name="spare")
        )
        self.spare_token = token.info.token_id
        joining = pb.CreateTokenRequest(role=pb.ROLE_WORKER, join=pb.JoinTerms(labels={"pool": "gpu"}))
        self.join_metadata = self.served.client(
            (await self.client.call("CreateToken", joining)).token
        ).metadata
        await self._add_worker("w2")
        self.stream = asyncio.create_task(self._listen())
        await eventually(lambda: len(self.claims) == SLOTS, "the worker has its claims")
        token_id, secret = "0123456789ab", "s" * 43
        for claim in self.claims[:4]:
            request = start(claim)
            if claim is self.claims[3]:
                request.records[0].token_id = token_id
                request.records[0].token_hash = hashlib.sha256(secret.encode()).digest()
            await self.client.call("RecordSession", request)
            self.started.append(claim)
        self.session_metadata = self.served.client(f"swt1_session_{token_id}_{secret}").metadata
        await self.client.call("FinishTask", finish(self.claims[0]))
        await self.client.call(
            "FinishTask", finish(self.claims[1], kind=task_pb2.OUTCOME_KIND_FAILED, error="no")
        )
        await self.client.call(
            "KillTask", pb.KillTaskRequest(task_ids=[self.claims[2].task.task_id, "t20"], cause="too dear")
        )

    async def close(self) -> None:
        if self.stream is not None:
            self.stream.cancel()
            await asyncio.gather(self.stream, return_exceptions=True)
        self.state.close()

    async def _add_worker(self, name: str) -> None:
        """Registers a worker that has left and takes no task."""
        await self.client.call("PauseSwarm", pb.PauseSwarmRequest())
        stream = self.client.claims(name)
        await next_message(stream)
        stream.cancel()
        await self.client.call("ResumeSwarm", pb.ResumeSwarmRequest())

    async def _listen(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for message in self.client.claims(
                slots=SLOTS, repository="host:/repo", target="swarm/main"
            ):
                self.claims += message.claims


@contextlib.asynccontextmanager
async def prepared_server(folder: Path) -> AsyncIterator[PreparedServer]:
    """Starts the server of one round."""
    # Time stands still, so a call that waits for its turn to land would wait forever.
    with (
        mock.patch("swarmd.daemon.SystemClock", FakeClock),
        mock.patch.object(Landings, "_deadline", _passed_deadline),
    ):
        async with server(folder, retry_backoff=60.0) as served:
            found = PreparedServer(served, served.client(), State(folder / "swarm.db"))
            try:
                await found.prepare()
                yield found
            finally:
                await found.close()


@contextlib.contextmanager
def _passed_deadline(_: Landings) -> Iterator["asyncio.Future[None]"]:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    over.set_result(None)
    yield over


def start(claim: worker_pb.Claim) -> worker_pb.RecordSessionRequest:
    """Returns the request for a builder's go."""
    record = worker_pb.SessionRecord(
        lease_id=claim.lease_id, session_id=session_id(claim), role=session_pb2.SESSION_ROLE_BUILDER, runner="command"
    )  # fmt: skip
    return worker_pb.RecordSessionRequest(worker="w1", records=[record])


def session_id(claim: worker_pb.Claim) -> str:
    """Returns the id of the session that `start` asks for."""
    return f"{claim.task.task_id}-a{claim.attempt}-builder"


def finish(claim: worker_pb.Claim, **fields: Any) -> worker_pb.FinishTaskRequest:
    """Returns the request that ends an attempt, with every field of an outcome set."""
    outcome = task_pb2.Outcome(
        builder_result=session_pb2.BuilderResult(
            status="completed", files_created=["a.py"], implementation_notes="notes",
            answers=[session_pb2.FindingAnswer(finding_id="a1f1", kind=session_pb2.FINDING_ANSWER_KIND_FIXED, why="w")],
        ),
        checks=[session_pb2.CheckResult(command="true", exit_code=0, output_tail="ok")],
        verdict=session_pb2.Verdict(
            passed=True, confidence=0.9, test_quality_score=7.0, recommendations=["r"], summary="fine",
            findings=[session_pb2.Finding(finding_id="a1f1", file="a.py", issue="i", severity="minor")],
        ),
        kill_receipt=session_pb2.KillReceipt(containment="subreaper", processes_found=3),
        **({"kind": task_pb2.OUTCOME_KIND_COMPLETED} | fields),
    )  # fmt: skip
    if claim.task.workspace == task_pb2.WORKSPACE_KIND_CLONE:
        file = task_pb2.ChangedFile(path="a.py", status="M", added=1, removed=2)
        outcome.change.CopyFrom(
            task_pb2.Change(
                base=BASE, head=HEAD, ref="refs/swarm/t/1", files=[file], file_count=1, patch="+x\n"
            )
        )
        if outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED:
            landing = task_pb2.Landing(target="swarm/main", commit=HEAD, onto=BASE)
            outcome.landing.CopyFrom(landing)
    for duration, seconds in ((outcome.checks[0].duration, 1), (outcome.kill_receipt.duration, 2)):
        duration.FromSeconds(seconds)
    item = worker_pb.FinishedAttempt(lease_id=claim.lease_id, outcome=outcome)
    return worker_pb.FinishTaskRequest(worker="w1", finished=[item])


def _definition(number: int) -> task_pb2.TaskDefinition:
    """Returns a definition, every second one in a clone; each task but the first eight waits for one of those."""
    clone = number % 2
    made = task_pb2.TaskDefinition(
        task_id=f"t{number:02d}", name=f"Task {number}", phase="p", description="do it", files=[f"a{number}.py"],
        workspace=task_pb2.WORKSPACE_KIND_CLONE if clone else task_pb2.WORKSPACE_KIND_SHARED,
        dependencies=[f"t{number % 8:02d}"] if number >= 8 else [], priority=number, max_retries=1,
    )  # fmt: skip
    made.builder_timeout.FromSeconds(60)
    return made
