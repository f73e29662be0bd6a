"""Bad calls by kind: each gets its code and field, and the state is unchanged."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from amplifier_swarm.channel import MAX_MESSAGE_BYTES
from amplifier_swarm.errors import WireError
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from fuzz.prepared_server import PreparedServer, finish, prepared_server, session_id, start
from support.server import next_message, refusal
from swarmd.store import tasks

CODE = grpc.StatusCode
WORKER = "/amplifier_swarm.v1.WorkerService/"


@pytest.fixture
async def found(tmp_path: Path) -> AsyncIterator[PreparedServer]:
    async with prepared_server(tmp_path) as server:
        yield server


async def refused(found: PreparedServer, method: str, request: Any) -> WireError:
    """Sends a call that must be refused and change nothing; returns its error."""
    before = found.state.fingerprint()
    error = await refusal(found.client.call(method, request))
    assert found.state.fingerprint() == before
    return error


def outcome(found: PreparedServer, **fields: Any) -> worker_pb.FinishTaskRequest:
    """Returns the end of a running attempt, with something wrong in it."""
    request = finish(found.started[3])
    request.finished[0].outcome.MergeFrom(task_pb2.Outcome(**fields))
    return request


def progress_of(**fields: Any) -> worker_pb.ReportProgressRequest:
    """Returns progress of an unknown session."""
    return worker_pb.ReportProgressRequest(worker="w1", sessions=[worker_pb.SessionProgress(**fields)])


async def test_the_lease_of_another_worker_opens_nothing(found: PreparedServer) -> None:
    before = found.state.fingerprint()
    running = found.started[3]
    record, end, progress = start(running), finish(running), worker_pb.ReportProgressRequest(worker="w2")
    record.worker = end.worker = "w2"
    entry = session_pb2.LogEntry(number=1, text="forged")
    progress.sessions.add(lease_id=running.lease_id, session_id=session_id(running), entries=[entry])

    went = (await found.client.call("RecordSession", record)).answers[0]
    ended = (await found.client.call("FinishTask", end)).results[0]
    await found.client.call("ReportProgress", progress)
    beat = worker_pb.HeartbeatRequest(worker="w2", incarnation="w2-1", lease_ids=[running.lease_id])
    orders = (await found.client.call("Heartbeat", beat)).orders

    assert not went.go
    assert went.order.action == worker_pb.ORDER_ACTION_ABANDON
    assert ended.disposition == worker_pb.FINISH_DISPOSITION_UNKNOWN
    assert [order.action for order in orders] == [worker_pb.ORDER_ACTION_ABANDON]
    assert found.state.fingerprint() == before


@pytest.mark.parametrize(
    "lease_id",
    [
        "", "x", "1-1-0-" + "0" * 32, f"1-1-{2**63}-" + "0" * 32, f"1-{2**63}-1-" + "0" * 32,
        f"{2**63}-1-1-" + "0" * 32,
        "9" * 15 + "-" + "9" * 15 + "-" + "9" * 9 + "-" + "f" * 32, "1-1-1-" + "0" * 32, "1-1-1-\x00" + "0" * 31,
        "1--1-1-" + "0" * 32, "1-1-1-" + "0" * 10_000,
    ],
)  # fmt: skip
async def test_a_lease_that_was_never_given_is_answered_item_by_item(
    found: PreparedServer, lease_id: str
) -> None:
    before = found.state.fingerprint()
    record, end = start(found.started[3]), finish(found.started[3])
    record.records[0].lease_id = end.finished[0].lease_id = lease_id

    went = (await found.client.call("RecordSession", record)).answers[0]
    ended = (await found.client.call("FinishTask", end)).results[0]
    beat = worker_pb.HeartbeatRequest(worker="w1", incarnation="w1-1", lease_ids=[lease_id])
    orders = (await found.client.call("Heartbeat", beat)).orders

    assert (went.go, went.order.action) == (False, worker_pb.ORDER_ACTION_ABANDON)
    assert ended.disposition == worker_pb.FINISH_DISPOSITION_UNKNOWN
    assert [(order.lease_id, order.action) for order in orders] == [
        (lease_id, worker_pb.ORDER_ACTION_ABANDON)
    ]
    assert found.state.fingerprint() == before


async def test_a_heartbeat_may_list_any_number_of_leases_and_each_is_answered(found: PreparedServer) -> None:
    before = found.state.fingerprint()
    leases = [*(claim.lease_id for claim in found.claims), *(f"1-1-{n}-{'0' * 32}" for n in range(2, 1_100))]
    beat = worker_pb.HeartbeatRequest(worker="w1", incarnation="w1-1", lease_ids=leases)

    orders = (await found.client.call("Heartbeat", beat)).orders

    assert len(orders) >= 1_098
    assert found.state.fingerprint() == before


async def test_a_live_name_from_another_host_is_refused_and_the_owner_keeps_its_stream(
    found: PreparedServer,
) -> None:
    before = found.state.fingerprint()
    other = found.client.claims("w1", host="elsewhere", instance="another", incarnation="another")

    error = await refusal(next_message(other))

    assert (error.code, error.reason) == (CODE.ALREADY_EXISTS, "WORKER_NAME_TAKEN")
    assert error.metadata["worker"] == "w1"
    assert found.state.fingerprint() == before
    assert found.stream is not None
    assert not found.stream.done()


async def test_a_departure_in_the_name_of_an_older_process_is_ignored(found: PreparedServer) -> None:
    before = found.state.fingerprint()
    leaving = worker_pb.HeartbeatRequest(
        worker="w1", incarnation="an older one", phase=worker_pb.WORKER_PHASE_LEAVING
    )

    await found.client.call("Heartbeat", leaving)

    assert found.state.fingerprint() == before
    assert found.served.swarm.live.workers["w1"].connected  # type: ignore[index]


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("RecordSession", worker_pb.RecordSessionRequest(
            worker="w1", records=[worker_pb.SessionRecord(session_id="x" * 10_000)]), "records.session_id"),
        ("RecordSession", worker_pb.RecordSessionRequest(
            worker="w1", records=[worker_pb.SessionRecord(session_id="s")] * 1_025), "records"),
        ("RecordSession", worker_pb.RecordSessionRequest(
            worker="w1", records=[worker_pb.SessionRecord(session_id="s", role=77)]), "records.role"),  # type: ignore[arg-type]
        ("ReportProgress", worker_pb.ReportProgressRequest(
            worker="w1", sessions=[worker_pb.SessionProgress()] * 1_025), "sessions"),
        ("ReportProgress", progress_of(entries=[session_pb2.LogEntry(number=0)]), "sessions.entries.number"),
        ("ReportProgress", progress_of(entries=[session_pb2.LogEntry(number=1 << 40)]), "sessions.entries.number"),
        ("ReportProgress", progress_of(entries=[session_pb2.LogEntry(number=2**63 - 1)]), "sessions.entries.number"),
        ("ReportProgress", progress_of(usage=session_pb2.Usage(output_tokens=-1)), "usage"),
        ("ReportProgress", progress_of(usage=session_pb2.Usage(cost="nan")), "usage.cost"),
        ("FinishTask", worker_pb.FinishTaskRequest(
            worker="w1", finished=[worker_pb.FinishedAttempt()] * 1_025), "finished"),
        ("FinishTask", worker_pb.FinishTaskRequest(
            worker="w1", finished=[worker_pb.FinishedAttempt(outcome=task_pb2.Outcome(kind=1, failure_class=77))]),  # type: ignore[arg-type]
         "outcome.failure_class"),
        ("FinishTask", worker_pb.FinishTaskRequest(
            worker="w1", finished=[worker_pb.FinishedAttempt(outcome=task_pb2.Outcome(kind=77))]), "outcome.kind"),  # type: ignore[arg-type]
        ("ListTasks", pb.ListTasksRequest(page_token="x"), "page_token"),
        ("ListTasks", pb.ListTasksRequest(page_token="9" * 5_000), "page_token"),
        ("ListTasks", pb.ListTasksRequest(page_token=str(2**64)), "page_token"),
        ("ListTasks", pb.ListTasksRequest(page_token="٣"), "page_token"),
        ("ListTasks", pb.ListTasksRequest(statuses=[77]), "statuses"),  # type: ignore[list-item]
        ("GetTask", pb.GetTaskRequest(), "task_id"),
        ("KillTask", pb.KillTaskRequest(task_ids=["t01"], cause="x" * 501), "cause"),
        ("DrainWorker", pb.DrainWorkerRequest(), "worker"),
        ("DrainWorker", pb.DrainWorkerRequest(worker="w1", all=True), "worker"),
        ("CreateToken", pb.CreateTokenRequest(role=77), "role"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
async def test_a_bad_field_is_named(found: PreparedServer, method: str, request_: Any, field: str) -> None:
    error = await refused(found, method, request_)

    assert (error.code, error.reason) == (CODE.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.metadata["field"] == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "worker"),
        ({"name": "../w1"}, "worker"),
        ({"slots": 0}, "slots"),
        ({"slots": 1_025}, "slots"),
        ({"incarnation": ""}, "incarnation"),
        ({"instance": "x" * 65}, "incarnation"),
        ({"opening": -1}, "opening"),
    ],
)
async def test_a_wrong_registration_is_refused_with_the_field(
    found: PreparedServer, fields: dict[str, Any], field: str
) -> None:
    before = found.state.fingerprint()

    error = await refusal(next_message(found.client.claims(**({"name": "w9"} | fields))))

    assert (error.code, error.metadata) == (CODE.INVALID_ARGUMENT, {"field": field})
    assert found.state.fingerprint() == before


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(2**62, 0), (-(2**62), 0), (315_576_000_001, 0), (1, -1), (0, 2**31 - 1)]
)
async def test_an_impossible_duration_is_refused_with_the_outcome(
    found: PreparedServer, seconds: int, nanos: int
) -> None:
    receipt = session_pb2.KillReceipt(containment="subreaper")
    receipt.duration.seconds, receipt.duration.nanos = seconds, nanos

    error = await refused(found, "FinishTask", outcome(found, kill_receipt=receipt))

    assert (error.code, error.metadata) == (CODE.INVALID_ARGUMENT, {"field": "finished.outcome"})


@pytest.mark.parametrize("seconds", [-1, -(2**62), 0, 2**62, 2**63 - 1])
async def test_a_provider_is_waited_for_within_reason_whatever_it_asks(
    found: PreparedServer, seconds: int
) -> None:
    limited = outcome(
        found, kind=task_pb2.OUTCOME_KIND_FAILED, failure_class=task_pb2.FAILURE_CLASS_PROVIDER_LIMITED
    )
    limited.finished[0].outcome.retry_after.seconds = seconds

    result = (await found.client.call("FinishTask", limited)).results[0]

    assert result.disposition == worker_pb.FINISH_DISPOSITION_ACCEPTED
    assert result.task_status == task_pb2.TASK_STATUS_NOT_STARTED
    waits = await found.served.swarm.db.read(tasks.in_backoff)
    assert all(0 < backoff_s <= 1.5 * 86_400 for _, backoff_s in waits)


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 2**63 - 1])
async def test_a_log_entry_of_an_impossible_time_is_refused(found: PreparedServer, seconds: int) -> None:
    running = found.started[3]
    entry = session_pb2.LogEntry(number=1, text="x")
    entry.logged_at.seconds = seconds
    progress = worker_pb.SessionProgress(
        lease_id=running.lease_id, session_id=session_id(running), entries=[entry]
    )

    error = await refused(
        found, "ReportProgress", worker_pb.ReportProgressRequest(worker="w1", sessions=[progress])
    )

    assert (error.code, error.metadata) == (CODE.INVALID_ARGUMENT, {"field": "sessions.entries.logged_at"})


async def test_log_entries_that_come_twice_or_too_late_are_kept_once_and_in_order(
    found: PreparedServer,
) -> None:
    running = found.started[3]
    for texts in ({2: "second"}, {1: "first", 2: "second once more"}):
        entries = [session_pb2.LogEntry(number=number, text=text) for number, text in texts.items()]
        fields = {"lease_id": running.lease_id, "session_id": session_id(running), "entries": entries}
        await found.client.call("ReportProgress", progress_of(**fields))

    log = found.client.operator.TailLog(
        pb.TailLogRequest(task_id=running.task.task_id), metadata=found.client.metadata
    )

    kept = [entry.text async for message in log for entry in message.entries]
    assert kept == ["first", "second"]


@pytest.mark.parametrize("method", ["GetTask", "ExplainTask"])
async def test_a_name_of_any_length_is_refused_in_few_words(found: PreparedServer, method: str) -> None:
    name = "x" * 1_000_000
    error = await refused(found, method, getattr(pb, f"{method}Request")(task_id=name))

    assert (error.code, error.reason) == (CODE.NOT_FOUND, "TASK_NOT_FOUND")
    assert len(error.message) < 1_100


async def test_faults_of_many_long_tasks_are_cut_to_what_trailers_hold(found: PreparedServer) -> None:
    before = found.state.fingerprint()
    tasks = [task_pb2.TaskDefinition(task_id=f"é{n}" + "é" * 100_000) for n in range(20)]

    error = await refusal(found.client.add(*tasks))

    assert (error.code, error.reason) == (CODE.INVALID_ARGUMENT, "INVALID_TASKS")
    assert error.metadata["count"] == "20"
    assert error.violations
    assert found.state.fingerprint() == before


async def test_metadata_of_64_kib_is_refused_by_grpc_and_others_are_served_on(found: PreparedServer) -> None:
    before = found.state.fingerprint()
    metadata = (*found.client.metadata, ("x-much", "x" * 65 * 1024))
    other = found.served.client()

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await found.client.operator.GetSwarm(pb.GetSwarmRequest(), metadata=metadata, timeout=20)

    assert raised.value.code() in (CODE.RESOURCE_EXHAUSTED, CODE.UNAVAILABLE, CODE.INTERNAL)
    await other.call("GetSwarm", pb.GetSwarmRequest())
    assert found.state.fingerprint() == before


async def test_a_message_above_the_limit_is_refused_by_grpc_and_others_are_served_on(
    found: PreparedServer,
) -> None:
    request = outcome(found, error="x" * (MAX_MESSAGE_BYTES + 1))

    error = await refused(found, "FinishTask", request)

    assert error.code is CODE.RESOURCE_EXHAUSTED
    await found.client.call("GetSwarm", pb.GetSwarmRequest())


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("Heartbeat", b"\x0a\x02\xff\xfe"),
        ("Heartbeat", b"\x0a\x03\xed\xa0\x80"),
        ("RecordSession", b"\x12\xff\xff\xff\xff\x0f"),
        ("FinishTask", b"\x0b\x0b\x0b\x0b"),
        ("ReportProgress", b"\x00"),
    ],
    ids=["no UTF-8", "half a surrogate pair", "a length beyond the end", "open groups", "field number 0"],
)
async def test_bytes_that_are_not_a_message_are_refused_with_the_reason(
    found: PreparedServer, method: str, data: bytes
) -> None:
    before = found.state.fingerprint()
    channel: Any = found.client.channel

    error = await refusal(
        channel.unary_unary(f"{WORKER}{method}")(data, metadata=found.client.metadata, timeout=20)
    )

    assert (error.code, error.reason) == (CODE.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.message == "request: is not a message of this method"
    assert found.state.fingerprint() == before
    await found.client.call("GetSwarm", pb.GetSwarmRequest())


async def test_a_message_of_a_stream_that_can_t_be_read_is_refused_by_name(found: PreparedServer) -> None:
    before = found.state.fingerprint()
    channel: Any = found.client.channel
    call = channel.stream_unary("/amplifier_swarm.v1.OperatorService/AddTasks")

    error = await refusal(call(iter([b"\x0a\x02\xff\xfe"]), metadata=found.client.metadata, timeout=20))

    assert (error.code, error.metadata) == (CODE.INVALID_ARGUMENT, {"field": "request"})
    assert found.state.fingerprint() == before
