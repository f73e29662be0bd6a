"""Sends mutated messages to a server and judges every answer.

Each call is answered with OK or with a typed status. A refused call leaves the state unchanged, reads never change
the state, and at the end everything that was stored can still be shown.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2, session_service_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from amplifier_swarm.v1.budget_pb2 import BudgetName
from fuzz.message_mutations import mutated
from fuzz.prepared_server import SLOTS, PreparedServer, finish, prepared_server, session_id, start
from support.server import server

ROUND: Final = 250
_SERVICES: Final = (
    worker_pb.DESCRIPTOR.services_by_name["WorkerService"],
    pb.DESCRIPTOR.services_by_name["OperatorService"],
    session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
)
# Every method that takes a message or several and answers with one.
METHODS: Final = {
    method.name: method for service in _SERVICES for method in service.methods if not method.server_streaming
}
READS: Final = frozenset(
    {
        "GetTask",
        "DiffTask",
        "ListArtifacts",
        "ListTasks",
        "ExplainTask",
        "GetSwarm",
        "ListInbox",
        "ListWorkers",
        "ListTokens",
        "Heartbeat",
        "ConfirmCommits",
        "ReadDependencies",
        "AwaitAnswer",
    }
)
# Methods with many fields are called more often; methods that end everything less, so that something is left.
_OFTEN: Final = {"AddTasks": 3, "RecordSession": 3, "ReportProgress": 3, "FinishTask": 3, "ResumeSwarm": 2}
_WEIGHTS: Final = [_OFTEN.get(method, 1) for method in METHODS]
# A healthy server never answers with these.
_BROKEN: Final = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)


@dataclass
class Tally:
    """The results of the calls."""

    codes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


async def play(seed: int, rounds: Sequence[int], folder: Path, *, size: int = ROUND) -> Tally:
    """Plays these rounds of the seed, each on its own server."""
    tally = Tally()
    for number in rounds:
        place = folder / str(number)
        place.mkdir()
        try:
            async with prepared_server(place) as found:
                await _Round(found, tally, seed=seed, number=number).play(size)
            await _still_shown(place)
        except Exception as error:  # noqa: BLE001  # every error is a finding
            tally.failures.append(f"seed {seed} round {number}: {type(error).__name__}: {error}")
    return tally


class _Round:
    """A series of calls."""

    def __init__(self, found: PreparedServer, tally: Tally, *, seed: int, number: int) -> None:
        self._server = found
        self._tally = tally
        self._place = f"seed {seed} round {number}"
        self._rng = random.Random(f"{seed}:{number}")

    async def play(self, size: int) -> None:
        for number in range(size):
            [method] = self._rng.choices(list(METHODS), _WEIGHTS)
            requests = dict(valid(self._server, self._rng))
            others = [request.SerializeToString() for request in requests.values()]
            data = mutated(requests[method], self._rng, others)
            fault = await self._send(method, data)
            for _ in range(2):
                # A stream that an earlier call closed may still be giving claims back: send again.
                if fault == "it was refused and changed something":
                    fault = await self._send(method, data)
            if fault:
                self._tally.failures.append(f"{self._place} call {number} {method} {data[:200]!r}: {fault}")
        await self._check_health()
        damage = self._server.state.damage()
        if damage:
            self._tally.failures.append(f"{self._place}: {damage}")

    async def _send(self, method: str, data: bytes) -> str:
        """Sends a call; returns the fault of the answer, empty if there is none."""
        before = self._server.state.fingerprint()
        error = await self._call(method, data)
        self._tally.codes["OK" if error is None else error.code().name] += 1
        if error is None:
            changed = method in READS and self._server.state.fingerprint() != before
            return "it only reads, and changed something" if changed and method != "Heartbeat" else ""
        if not unpack(error).reason or error.code() in _BROKEN:
            return f"{error.code().name}: {error.details()}"
        return "it was refused and changed something" if self._server.state.fingerprint() != before else ""

    async def _call(self, method: str, data: bytes) -> grpc.aio.AioRpcError | None:
        descriptor = METHODS[method]
        path = f"/{descriptor.containing_service.full_name}/{method}"
        client = self._server.client
        metadata = client.metadata
        if method == "JoinSwarm":
            metadata = self._server.join_metadata
        elif descriptor.containing_service.name == "SessionService":
            metadata = self._server.session_metadata
        channel: Any = client.channel
        try:
            if descriptor.client_streaming:
                await channel.stream_unary(path)(iter([data]), metadata=metadata, timeout=20)
            else:
                await channel.unary_unary(path)(data, metadata=metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            return error
        return None

    async def _check_health(self) -> None:
        answer = await health_pb2_grpc.HealthStub(self._server.client.channel).Check(
            health_pb2.HealthCheckRequest(), timeout=20
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        await self._server.client.call("GetSwarm", pb.GetSwarmRequest())


def valid(found: PreparedServer, rng: random.Random) -> Iterator[tuple[str, Message]]:
    """Yields a good request for each method, in the present state."""
    claim = rng.choice(found.claims)
    task_id = f"t{rng.randrange(24):02d}"
    yield from _of_worker(found, claim, rng)
    yield from _of_session(rng)
    yield (
        "JoinSwarm",
        worker_pb.JoinSwarmRequest(
            worker="w3", instance="w3-instance", credential_id=f"{rng.randrange(16**12):012x}",
            secret_hash=rng.randbytes(32), labels={"pool": "gpu", "arch": "arm"},
        ),
    )  # fmt: skip
    yield (
        "AddTasks",
        pb.AddTasksRequest(
            tasks=[_planned(claim, rng)], dry_run=rng.random() < 0.5, concurrency={"gpu": rng.randrange(1, 4)}
        ),
    )
    yield "GetTask", pb.GetTaskRequest(task_id=task_id)
    yield "DiffTask", pb.DiffTaskRequest(task_id=task_id, attempt=rng.choice((0, 1)))
    yield "ListArtifacts", pb.ListArtifactsRequest(task_id=task_id)
    yield (
        "ListTasks",
        pb.ListTasksRequest(
            statuses=[task_pb2.TASK_STATUS_NOT_STARTED, task_pb2.TASK_STATUS_IN_PROGRESS],
            phase="p",
            search="task",
            page_size=5,
            page_token="",
        ),
    )
    yield "ExplainTask", pb.ExplainTaskRequest(task_id=task_id)
    yield "RetryTask", pb.RetryTaskRequest(task_ids=[claim.task.task_id], failed=rng.random() < 0.3)
    yield "KillTask", pb.KillTaskRequest(task_ids=[task_id, claim.task.task_id], cause="too dear")
    yield "HoldTask", pb.HoldTaskRequest(task_ids=[task_id], cause="audit")
    yield "UnholdTask", pb.UnholdTaskRequest(task_ids=[task_id])
    yield "AnswerTask", pb.AnswerTaskRequest(task_id=claim.task.task_id, hold_id="1-1", text="80")
    approval = pb.TaskApproval(task_id=claim.task.task_id, hold_id="1-1")
    yield "ApproveTask", pb.ApproveTaskRequest(approvals=[approval])
    hold_id, both = rng.choice(["", "1-1"]), rng.random() < 0.5
    yield (
        "RejectTask",
        pb.RejectTaskRequest(
            task_id=task_id, hold_id=hold_id, text="no", with_dependents=both, dry_run=not both
        ),
    )
    yield "NoteTask", pb.NoteTaskRequest(task_id=task_id, text="mind the tests")
    yield (
        "RaiseBudget",
        pb.RaiseBudgetRequest(task_id=task_id, add_cost=rng.choice(["", "2", "-1", "1e9", "x"])),
    )
    name = BudgetName(kind=rng.randrange(5), name=rng.choice(["", "default", "x"]))  # type: ignore[arg-type]
    yield "RaiseBudget", pb.RaiseBudgetRequest(budget=name, add_cost=rng.choice(["2", "-1", "x"]))
    yield "ListBudgets", pb.ListBudgetsRequest()
    yield "LandWork", pb.LandWorkRequest(task_ids=[claim.task.task_id])
    yield "ListInbox", pb.ListInboxRequest()
    yield "ForgetWorker", pb.ForgetWorkerRequest(worker="w9")
    yield "AcceptResult", pb.AcceptResultRequest(task_id=claim.task.task_id, attempt=claim.attempt)
    yield "AddDependency", pb.AddDependencyRequest(task_id=task_id, dependency=f"t{rng.randrange(24):02d}")
    yield "RemoveDependency", pb.RemoveDependencyRequest(task_id=task_id, dependency="t01")
    yield "GetSwarm", pb.GetSwarmRequest()
    yield "PauseSwarm", pb.PauseSwarmRequest(cause="lunch")
    yield "EmergencyStop", pb.EmergencyStopRequest(cause="fire")
    yield "ResumeSwarm", pb.ResumeSwarmRequest(requeue=True)
    yield "ListWorkers", pb.ListWorkersRequest()
    drain = pb.DrainWorkerRequest(worker="w2")
    drain.deadline.FromSeconds(5)
    yield "DrainWorker", drain
    yield "CreateToken", pb.CreateTokenRequest(role=pb.ROLE_VIEWER, name="screen")
    yield "CreateLoginCode", pb.CreateLoginCodeRequest()
    yield "ListTokens", pb.ListTokensRequest()
    position = rng.randrange(3)
    yield "ConfirmCommits", pb.ConfirmCommitsRequest(follow_id="0", position=position, complete=True)
    yield "RevokeToken", pb.RevokeTokenRequest(token_id=found.spare_token)


def _of_worker(
    found: PreparedServer, claim: worker_pb.Claim, rng: random.Random
) -> Iterator[tuple[str, Message]]:
    leases = [held.lease_id for held in found.claims[-SLOTS:]]
    yield "Heartbeat", worker_pb.HeartbeatRequest(worker="w1", incarnation="w1-1", lease_ids=leases)
    record = start(claim)
    if rng.random() < 0.4:
        record.records[0].end.exit_code = 0
        record.records[0].end.usage.CopyFrom(session_pb2.Usage(input_tokens=5, output_tokens=1, cost="0.003"))
    yield "RecordSession", record
    entry = session_pb2.LogEntry(number=rng.randrange(1, 50), kind=session_pb2.LOG_KIND_REPLY, text="hello")
    entry.logged_at.FromSeconds(1_700_000_000)
    progress = worker_pb.SessionProgress(
        lease_id=claim.lease_id, session_id=session_id(claim), entries=[entry],
        usage=session_pb2.Usage(input_tokens=10, output_tokens=2, cost="0.0034075"),
    )  # fmt: skip
    yield "ReportProgress", worker_pb.ReportProgressRequest(worker="w1", sessions=[progress])
    kind = rng.choice([1, 2, 2, 3, 4])
    failure = rng.randrange(1, 16) if kind == task_pb2.OUTCOME_KIND_FAILED else 0
    ended = finish(claim, kind=kind, failure_class=failure, error="e" if failure else "")
    if failure == task_pb2.FAILURE_CLASS_PROVIDER_LIMITED:
        ended.finished[0].outcome.retry_after.FromSeconds(7)
    yield "FinishTask", ended
    yield "LandTask", worker_pb.LandTaskRequest(worker="w1", lease_id=claim.lease_id)
    upload = worker_pb.ArtifactUpload(worker="w1", lease_id=claim.lease_id, name="report.txt", size=2)
    yield "PutArtifact", worker_pb.PutArtifactRequest(upload=upload, chunk=b"ok")


def _of_session(rng: random.Random) -> Iterator[tuple[str, Message]]:
    yield "SetProgress", session_service_pb2.SetProgressRequest(text="half", percent=rng.randrange(101))
    yield (
        "FileTask",
        session_service_pb2.FileTaskRequest(
            name="more",
            description="do it",
            acceptance_criteria=["it works"],
            files=["a.py"],
            checks=["true"],
        ),
    )
    yield "ReadDependencies", session_service_pb2.ReadDependenciesRequest(task_id=rng.choice(["", "t01"]))
    yield "AskPerson", session_service_pb2.AskPersonRequest(text="which one?", options=["a", "b"])
    yield "AwaitAnswer", session_service_pb2.AwaitAnswerRequest(hold_id="1-1")
    yield "AddArtifact", session_service_pb2.AddArtifactRequest(name="report.txt", size=2, chunk=b"ok")


def _planned(claim: worker_pb.Claim, rng: random.Random) -> pb.PlannedTask:
    definition = task_pb2.TaskDefinition()
    definition.CopyFrom(claim.task)
    definition.task_id = f"n{rng.randrange(40)}"
    definition.labels["gpu"] = "a100"
    definition.exclusive.extend(rng.sample(("db", "port", "gpu"), rng.randrange(3)))
    definition.files.extend(rng.sample(("src", "src/a.py", "docs/x.md"), rng.randrange(3)))
    definition.keep.append("node_modules")
    definition.landing_checks.append("true")
    call = definition.rehearsal.builder.add(reply="done").calls.add(tool="bash")
    call.arguments["command"] = "true"
    return pb.PlannedTask(definition=definition)


async def _still_shown(folder: Path) -> None:
    """Starts a server on the stored data; it must show all of it and accept its own export."""
    async with server(folder) as served:
        client = served.client()
        tasks = (await client.call("ListTasks", pb.ListTasksRequest(page_size=1_000))).tasks
        for task in tasks:
            request = pb.GetTaskRequest(task_id=task.task_id)
            await client.call("GetTask", request)
            await client.call("ExplainTask", pb.ExplainTaskRequest(task_id=task.task_id))
            log = client.operator.TailLog(pb.TailLogRequest(task_id=task.task_id), metadata=client.metadata)
            assert await _end_of(log) in ("", "SESSION_NOT_FOUND")
        for method, request_type in (
            ("ListWorkers", pb.ListWorkersRequest),
            ("ListTokens", pb.ListTokensRequest),
        ):
            await client.call(method, request_type())
        events = client.operator.WatchEvents(pb.WatchEventsRequest(), metadata=client.metadata)
        numbers = [event.seq async for message in events for event in message.events]
        assert numbers == list(range(1, len(numbers) + 1)), "the sequence of events has gaps"
        export = client.operator.ExportTasks(pb.ExportTasksRequest(), metadata=client.metadata)
        planned = [task async for message in export for task in message.tasks]
        again = await client.add(*(task.definition for task in planned), dry_run=True)
        assert again.unchanged == len(planned) == len(tasks), "an export is not what was stored"


async def _end_of(stream: Any) -> str:
    """Reads a stream to its end; returns the reason if it ended with an error."""
    try:
        while await stream.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return unpack(error).reason or error.code().name
    return ""
