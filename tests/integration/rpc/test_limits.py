"""Limits of gRPC: strangers hold nothing, streams are counted, revoked tokens lose what they have open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from support.grpc_worker import GrpcWorker
from support.server import Client, Server, next_message, refusal, server
from support.waiting import eventually
from swarmd.rpc import health, limits, operator_service, task_pages
from swarmd.wire import reads

CODE = grpc.StatusCode
ROLES = {"viewer": pb.ROLE_VIEWER, "worker": pb.ROLE_WORKER, "operator": pb.ROLE_OPERATOR}
FOLLOW = pb.WatchEventsRequest(follow=True)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Server]:
    async with server(tmp_path) as found:
        yield found


async def token_of(served: Server, role: str) -> tuple[Client, str]:
    made = await served.client().call("CreateToken", pb.CreateTokenRequest(role=ROLES[role], name=role))
    return served.client(made.token), made.info.token_id


async def revoke(served: Server, token_id: str) -> None:
    await served.client().call("RevokeToken", pb.RevokeTokenRequest(token_id=token_id))


def never() -> Iterator[Any]:
    """A stream of requests whose first message does not come."""

    async def wait() -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield b""

    return wait()  # type: ignore[return-value]


async def ended(stream: Any) -> tuple[CODE, str]:
    """Reads a stream to its end; returns the code and the reason."""
    error = await refusal(_drain(stream))
    return error.code, error.reason


async def _drain(stream: Any) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


@pytest.mark.parametrize("method", ["FinishTask", "AddTasks", "ClaimTask", "GetSwarm"])
async def test_a_stranger_is_refused_before_a_message_arrives(served: Server, method: str) -> None:
    service = "WorkerService" if method in ("FinishTask", "ClaimTask") else "OperatorService"
    call: Any = served.client("nonsense").channel.stream_unary(f"/amplifier_swarm.v1.{service}/{method}")

    error = await refusal(call(never(), metadata=(("authorization", "Bearer nonsense"),), timeout=20))

    assert (error.code, error.reason) == (CODE.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_a_revoked_token_loses_its_open_streams(served: Server) -> None:
    await served.client().add(TaskDefinition(task_id="a"))
    viewer, token_id = await token_of(served, "viewer")
    watching = viewer.operator.WatchEvents(FOLLOW, metadata=viewer.metadata)
    await next_message(watching)

    await revoke(served, token_id)

    assert await ended(watching) == (CODE.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_a_stream_that_nobody_reads_ends_with_its_token_too(served: Server) -> None:
    await served.client().add(
        *(TaskDefinition(task_id=f"t{n}", description="x" * 500_000) for n in range(30))
    )
    viewer, token_id = await token_of(served, "viewer")
    stream = viewer.operator.ExportTasks(pb.ExportTasksRequest(), metadata=viewer.metadata)
    await next_message(stream)

    await revoke(served, token_id)

    assert await asyncio.wait_for(ended(stream), 30) == (CODE.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_a_worker_whose_token_is_revoked_is_fed_nothing_more(served: Server) -> None:
    worker, token_id = await token_of(served, "worker")
    stream = worker.claims("w1")
    assert (await next_message(stream)).HasField("opened")

    await revoke(served, token_id)
    await served.client().add(TaskDefinition(task_id="a"))

    assert await ended(stream) == (CODE.UNAUTHENTICATED, "TOKEN_INVALID")
    assert await served.client().status("a") == "not_started"


async def test_a_plan_that_is_still_arriving_ends_with_its_token(served: Server) -> None:
    operator, token_id = await token_of(served, "operator")
    adding = operator.operator.AddTasks(never(), metadata=operator.metadata, timeout=30)
    await asyncio.wait_for(adding.wait_for_connection(), 20)

    await revoke(served, token_id)

    error = await refusal(adding)
    assert (error.code, error.reason) == (CODE.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_other_tokens_keep_their_streams(served: Server) -> None:
    kept, _ = await token_of(served, "viewer")
    _, gone = await token_of(served, "viewer")
    watching = kept.operator.WatchEvents(FOLLOW, metadata=kept.metadata)

    await revoke(served, gone)
    await served.client().add(TaskDefinition(task_id="a"))

    assert await next_message(watching)


async def test_a_token_has_so_many_streams_and_no_more(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.MAX_STREAMS, "WatchEvents", 2)
    await served.client().add(TaskDefinition(task_id="a"))
    viewer, _ = await token_of(served, "viewer")
    open_ = [viewer.operator.WatchEvents(FOLLOW, metadata=viewer.metadata) for _ in range(2)]
    for stream in open_:
        await next_message(stream)

    code, reason = await ended(viewer.operator.WatchEvents(FOLLOW, metadata=viewer.metadata))

    assert (code, reason) == (CODE.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    other, _ = await token_of(served, "viewer")
    assert await next_message(other.operator.WatchEvents(FOLLOW, metadata=other.metadata))
    open_[0].cancel()

    async def opens() -> bool:
        stream = viewer.operator.WatchEvents(FOLLOW, metadata=viewer.metadata)
        try:
            return bool(await stream.read())
        except grpc.aio.AioRpcError:
            return False

    await eventually(opens, "the place of the stream that ended is free")


async def test_one_backup_runs_at_a_time(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    backup = served.swarm.db.backup

    async def slow(target: Path) -> None:
        begun.set()
        await go_on.wait()
        await backup(target)

    monkeypatch.setattr(served.swarm.db, "backup", slow)
    client = served.client()
    first = client.operator.Backup(pb.BackupRequest(), metadata=client.metadata)
    await asyncio.wait_for(begun.wait(), 20)

    second = await ended(client.operator.Backup(pb.BackupRequest(), metadata=client.metadata))
    go_on.set()
    await _drain(first)

    assert second == (CODE.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")


async def test_an_export_is_of_one_moment_and_held_by_no_reader(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmd.rpc.streams.MESSAGE_BYTES", 1_000)
    client = served.client()
    await client.add(*(TaskDefinition(task_id=f"t{n:03}", description="x" * 200) for n in range(100)))
    stream = client.operator.ExportTasks(pb.ExportTasksRequest(), metadata=client.metadata)
    messages = [await next_message(stream)]

    await client.add(TaskDefinition(task_id="later"))
    while (message := await stream.read()) is not grpc.aio.EOF:
        messages.append(message)

    ids = [task.definition.task_id for message in messages for task in message.tasks]
    assert ids == [f"t{n:03}" for n in range(100)]
    assert len(messages) > 10


async def test_a_plan_has_a_largest_size(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_service, "MAX_PLAN_BYTES", 1_000)
    client = served.client()

    error = await refusal(client.add(TaskDefinition(task_id="a", description="x" * 2_000)))

    assert (error.code, error.message) == (
        CODE.INVALID_ARGUMENT, "tasks: are more than 1,000 bytes; add them in several calls"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("ListTasks", pb.ListTasksRequest(page_size=-1), "page_size"),
        ("WatchEvents", pb.WatchEventsRequest(after_seq=-1), "after_seq"),
        ("TailLog", pb.TailLogRequest(task_id="a", tail=-1), "tail"),
        ("TailLog", pb.TailLogRequest(task_id="a", after_cursor=-1), "after_cursor"),
        ("TailLog", pb.TailLogRequest(task_id="a", attempt=-1), "attempt"),
    ],
)
async def test_a_negative_number_is_refused(served: Server, method: str, request_: Any, field: str) -> None:
    client = served.client()
    call = getattr(client.operator, method)(request_, metadata=client.metadata, timeout=20)

    error = await refusal(call if method == "ListTasks" else _drain(call))

    assert (error.code, error.metadata["field"]) == (CODE.INVALID_ARGUMENT, field)


async def test_a_page_token_fits_its_own_list_alone(served: Server) -> None:
    client = served.client()
    await client.add(*(TaskDefinition(task_id=f"t{n}", phase="p") for n in range(3)))
    page = await client.call("ListTasks", pb.ListTasksRequest(phase="p", page_size=2))

    rest = await client.call("ListTasks", pb.ListTasksRequest(phase="p", page_token=page.next_page_token))
    for request in (
        pb.ListTasksRequest(phase="q", page_token=page.next_page_token),
        pb.ListTasksRequest(phase="p", page_token="2"),
    ):
        error = await refusal(client.call("ListTasks", request))
        assert (error.code, error.metadata["field"]) == (CODE.INVALID_ARGUMENT, "page_token")

    assert [task.task_id for task in rest.tasks] == ["t2"]


async def test_a_page_of_long_tasks_ends_early_and_the_next_goes_on(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_pages, "PAGE_BYTES", 2_000)
    client = served.client()
    ids = [f"t{n:03}" for n in range(12)]
    await client.add(*(TaskDefinition(task_id=task_id, name="x" * 450) for task_id in ids))

    found, token, calls = [], "", 0
    while calls == 0 or token:
        page = await client.call("ListTasks", pb.ListTasksRequest(page_token=token))
        found += [task.task_id for task in page.tasks]
        token, calls = page.next_page_token, calls + 1

    assert found == ids
    assert calls > 2


async def test_the_oldest_reports_of_a_task_are_left_out_where_a_message_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "MAX_DETAIL_BYTES", 25_000)
    async with server(tmp_path, retry_backoff=0) as served:
        client = served.client()
        await client.add(TaskDefinition(task_id="a", max_retries=3))
        worker = GrpcWorker(client)
        for _ in range(4):
            check = session_pb2.CheckResult(command="c", exit_code=1, output_tail="x" * 9_000)
            await worker.work("failed", error="no", checks=[check])

        attempts = (await client.get("a")).attempts

    assert [attempt.error for attempt in attempts] == ["no"] * 4
    assert [len(attempt.checks) for attempt in attempts] == [0, 0, 1, 1]
    assert all(len(attempt.sessions) == 1 for attempt in attempts)


async def test_a_log_entry_without_a_time_gets_that_of_its_arrival(served: Server) -> None:
    client = served.client()
    await client.add(TaskDefinition(task_id="a"))
    worker = GrpcWorker(client)
    claim = await worker.claim()
    session = await worker.start(claim)
    before_s = served.swarm.clock.wall_us() // 1_000_000

    await worker.say(claim, session, "no time")

    page = await next_message(
        client.operator.TailLog(pb.TailLogRequest(task_id="a"), metadata=client.metadata)
    )
    assert page.entries[0].logged_at.seconds >= before_s


async def test_probes_without_a_token_are_limited(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_WATCHES", 1)
    monkeypatch.setattr(health, "READ_WITHIN_S", 0.2)
    channel: Any = served.client().channel
    stub = health_pb2_grpc.HealthStub(channel)
    watching = stub.Watch(health_pb2.HealthCheckRequest())
    await next_message(watching)

    second = await ended(stub.Watch(health_pb2.HealthCheckRequest()))
    long = await refusal(stub.Check(health_pb2.HealthCheckRequest(service="x" * 2_000), timeout=20))
    slow = await refusal(channel.stream_unary("/grpc.health.v1.Health/Check")(never(), timeout=20))
    unknown = stub.Check(health_pb2.HealthCheckRequest(service="x"), timeout=20)

    assert second == (CODE.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    assert (long.code, slow.code) == (CODE.INVALID_ARGUMENT, CODE.INVALID_ARGUMENT)
    assert (await refusal(unknown)).code is CODE.NOT_FOUND
    assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=20)).status == 1


@pytest.mark.slow
async def test_an_idle_connection_is_closed_and_dialled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDLE_CONNECTION_MS", 500)
    async with server(tmp_path) as served:
        client = served.client()
        await client.call("GetSwarm", pb.GetSwarmRequest())

        await eventually(
            lambda: client.channel.get_state() is not grpc.ChannelConnectivity.READY, "the server hangs up"
        )

        await client.call("GetSwarm", pb.GetSwarmRequest())


async def test_a_connection_has_so_many_streams_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_STREAMS_PER_CONNECTION", 2)
    async with server(tmp_path) as served:
        client = served.client()
        await client.add(TaskDefinition(task_id="a"))
        streams = [client.operator.WatchEvents(FOLLOW, metadata=client.metadata) for _ in range(3)]
        for stream in streams[:2]:
            await next_message(stream)
        third = asyncio.create_task(next_message(streams[2]))
        # The other connection's call is answered, so the third stream has had its chance.
        await served.client().call("GetSwarm", pb.GetSwarmRequest())
        assert not third.done()

        streams[0].cancel()

        assert (await asyncio.wait_for(third, 20)).events
        with contextlib.suppress(asyncio.CancelledError):
            await streams[0].read()
