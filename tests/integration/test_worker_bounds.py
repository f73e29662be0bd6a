"""Bounds of workers' calls: what is too much is refused at once, and what is not the worker's costs nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amplifier_swarm import masking
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as pb
from support.grpc_worker import GrpcWorker
from support.server import Server, refusal, server

MIB = 1024 * 1024


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Server]:
    async with server(tmp_path) as found:
        yield found


def entries(count: int, text: str = "") -> list[session_pb2.LogEntry]:
    return [session_pb2.LogEntry(number=number, text=text) for number in range(1, count + 1)]


def progress(lease_id: str, *given: session_pb2.LogEntry) -> pb.SessionProgress:
    return pb.SessionProgress(lease_id=lease_id, session_id="s", entries=given)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("Heartbeat", pb.HeartbeatRequest(worker="w", lease_ids=[""] * 4_097), "lease_ids"),
        ("Heartbeat", pb.HeartbeatRequest(worker="w", lease_ids=["1" * (MIB * 3 // 4)]), "lease_ids"),
        ("ReportProgress", pb.ReportProgressRequest(worker="w", sessions=[progress("")] * 1_025), "sessions"),
        (
            "ReportProgress",
            pb.ReportProgressRequest(worker="w", sessions=[progress("", *entries(10_000))] * 2),
            "sessions.entries",
        ),
        (
            "ReportProgress",
            pb.ReportProgressRequest(worker="w", sessions=[progress("", *entries(5, " " * MIB))]),
            "sessions.entries",
        ),
        (
            "FinishTask",
            pb.FinishTaskRequest(worker="w", sessions=[progress("", *entries(5, " " * MIB))]),
            "sessions.entries",
        ),
    ],
)
async def test_too_much_in_a_call_is_refused(
    served: Server, method: str, request_: object, field: str
) -> None:
    error = await refusal(served.client().call(method, request_))

    assert (error.reason, error.metadata) == ("INVALID_REQUEST", {"field": field})


@pytest.mark.parametrize(
    "labels", [{f"k{n}": "v" for n in range(1_025)}, {"k" * 257: "v"}, {"k": "v" * 257}], ids=str
)
async def test_labels_are_bounded(served: Server, labels: dict[str, str]) -> None:
    error = await refusal(served.client().claims("w", labels=labels).read())

    assert (error.reason, error.metadata) == ("INVALID_REQUEST", {"field": "labels"})


async def test_nothing_is_masked_for_a_lease_that_the_worker_never_had(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def masked(_text: str) -> str:
        raise AssertionError("a text was masked")

    client = served.client()
    worker = GrpcWorker(client, "owner")
    await client.add(task_pb2.TaskDefinition(task_id="a", name="a"))
    claim = await worker.claim()
    monkeypatch.setattr(masking, "masked", masked)
    outcome = task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_COMPLETED, error="x")

    for lease_id in ("", "1-1-1-" + "0" * 32, claim.lease_id):
        news = [progress(lease_id, *entries(3, "secret"))]
        await client.call("ReportProgress", pb.ReportProgressRequest(worker="thief", sessions=news))
        attempt = pb.FinishedAttempt(lease_id=lease_id, outcome=outcome)
        request = pb.FinishTaskRequest(worker="thief", finished=[attempt], sessions=news)
        answer = await client.call("FinishTask", request)
        assert answer.results[0].disposition == pb.FINISH_DISPOSITION_UNKNOWN
    assert await client.status("a") == "claimed"


async def test_long_reports_are_masked_beside_the_event_loop(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: list[bool] = []

    def masked(text: str) -> str:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            loops.append(False)
        else:
            loops.append(True)
        return text

    client = served.client()
    worker = GrpcWorker(client)
    await client.add(task_pb2.TaskDefinition(task_id="a", name="a"))
    claim = await worker.claim()
    session_id = await worker.start(claim)
    monkeypatch.setattr(masking, "masked", masked)

    await worker.say(claim, session_id, *["x" * 16_000] * 20)
    await worker.end(claim, session_id)
    await worker.finish(claim, error="e" * 100_000)

    assert loops
    assert not any(loops)


async def test_of_a_long_text_in_a_report_the_beginning_is_kept(served: Server) -> None:
    client = served.client()
    worker = GrpcWorker(client)
    await client.add(task_pb2.TaskDefinition(task_id="a", name="a"))
    claim = await worker.claim()
    await worker.end(claim, await worker.start(claim))
    notes = session_pb2.BuilderResult(status="completed", implementation_notes="n" * MIB)

    await worker.finish(claim, builder_result=notes)

    kept = (await client.get("a")).attempts[0].builder_result.implementation_notes
    assert (len(kept), kept[-5:]) == (65_536 + 6, "… cut")


async def test_a_cost_of_any_size_is_refused_and_not_a_fault(served: Server) -> None:
    news = pb.SessionProgress(usage=session_pb2.Usage(cost="1e999999"))

    error = await refusal(
        served.client().call("ReportProgress", pb.ReportProgressRequest(worker="w", sessions=[news]))
    )

    assert (error.reason, error.metadata) == ("INVALID_REQUEST", {"field": "usage.cost"})


async def test_a_session_id_that_another_worker_took_is_given_to_its_holder(served: Server) -> None:
    client = served.client()
    thief, owner = GrpcWorker(client, "thief"), GrpcWorker(client, "owner")
    for task_id in ("bait", "a"):
        await client.add(task_pb2.TaskDefinition(task_id=task_id, name=task_id))
    stolen, claim = await thief.claim(), await owner.claim()
    session_id = f"{claim.task.task_id}-a1-builder-{claim.epoch}"

    async def ask(worker: str, lease_id: str) -> pb.SessionAnswer:
        record = pb.SessionRecord(
            lease_id=lease_id, session_id=session_id, role=session_pb2.SESSION_ROLE_BUILDER
        )
        request = pb.RecordSessionRequest(worker=worker, records=[record])
        answer: pb.SessionAnswer = (await client.call("RecordSession", request)).answers[0]
        return answer

    assert (await ask("thief", stolen.lease_id)).go
    assert (await ask("owner", claim.lease_id)).go
    assert not (await ask("thief", stolen.lease_id)).go
    [attempt] = (await client.get(claim.task.task_id)).attempts
    assert [session.session_id for session in attempt.sessions] == [session_id]


@pytest.mark.parametrize(
    "session_id", ["../../../etc/passwd", "\x1b]0;x\x07", "<img src=x>", "a\nb", "A", "x" * 82]
)
async def test_a_session_id_of_another_format_is_refused(served: Server, session_id: str) -> None:
    record = pb.SessionRecord(session_id=session_id, role=session_pb2.SESSION_ROLE_BUILDER)

    error = await refusal(
        served.client().call("RecordSession", pb.RecordSessionRequest(worker="w", records=[record]))
    )

    assert (error.reason, error.metadata) == ("INVALID_REQUEST", {"field": "records.session_id"})


async def test_forty_large_tasks_reach_a_worker_in_messages_that_any_client_takes(served: Server) -> None:
    client = served.client()
    for number in range(40):
        await client.add(task_pb2.TaskDefinition(task_id=f"t{number}", name="t", description="é" * 400_000))
    stream = client.claims("w", slots=40)

    sizes, claims = [], 0
    while claims < 40:
        message = await stream.read()
        sizes.append(message.ByteSize())
        claims += len(message.claims)

    assert max(sizes) < MIB


@pytest.mark.slow
async def test_a_log_of_long_lines_is_read_in_messages_that_any_client_takes(served: Server) -> None:
    client = served.client()
    worker = GrpcWorker(client)
    await client.add(task_pb2.TaskDefinition(task_id="a", name="a"))
    claim = await worker.claim()
    session_id = await worker.start(claim)
    for _ in range(3):
        await worker.say(claim, session_id, *["é" * 16_000] * 60)
    await worker.finish(claim)

    stream = client.operator.TailLog(operator_pb.TailLogRequest(task_id="a"), metadata=client.metadata)
    messages = [message async for message in stream]

    assert sum(len(message.entries) for message in messages) == 180
    assert max(message.ByteSize() for message in messages) < 2 * MIB
