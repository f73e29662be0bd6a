"""WorkerService: claims, the go, progress, outcomes and heartbeats."""

import asyncio

import grpc
import pytest

from amplifier_swarm.v1 import event_pb2, session_pb2, task_pb2
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from support.server import Client, Server, next_claim, next_message, refusal, server
from support.waiting import eventually


def definition(task_id: str, *dependencies: str) -> task_pb2.TaskDefinition:
    return task_pb2.TaskDefinition(task_id=task_id, dependencies=dependencies)


BUILDER = session_pb2.SESSION_ROLE_BUILDER
COMPLETED = task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_COMPLETED)
CRITICAL = session_pb2.Finding(issue="it crashes", severity="critical")
CONTRADICTIONS = [
    task_pb2.Outcome(kind=COMPLETED.kind, verdict=session_pb2.Verdict(passed=False)),
    task_pb2.Outcome(kind=COMPLETED.kind, verdict=session_pb2.Verdict(passed=True, findings=[CRITICAL])),
    task_pb2.Outcome(kind=COMPLETED.kind, failure_class=task_pb2.FAILURE_CLASS_AGENT_ERROR),
]


def start(
    claim: worker_pb.Claim, role: "session_pb2.SessionRole.ValueType" = BUILDER
) -> worker_pb.RecordSessionRequest:
    record = worker_pb.SessionRecord(
        lease_id=claim.lease_id,
        session_id=f"{claim.task.task_id}-{claim.attempt}-{role}",
        role=role,
        runner="command",
    )
    return worker_pb.RecordSessionRequest(worker="w1", records=[record])


def finish(claim: worker_pb.Claim, **outcome: object) -> worker_pb.FinishTaskRequest:
    made = task_pb2.Outcome(**({"kind": task_pb2.OUTCOME_KIND_COMPLETED} | outcome))  # type: ignore[arg-type]
    item = worker_pb.FinishedAttempt(lease_id=claim.lease_id, outcome=made)
    return worker_pb.FinishTaskRequest(worker="w1", finished=[item])


async def run(client: Client, claim: worker_pb.Claim) -> None:
    answer = await client.call("RecordSession", start(claim))
    assert answer.answers[0].go
    result = await client.call("FinishTask", finish(claim))
    assert result.results[0].disposition == worker_pb.FINISH_DISPOSITION_ACCEPTED


async def test_a_chain_is_worked_through_over_one_stream(served: Server) -> None:
    client = served.client()
    stream = client.claims()
    opened = await next_message(stream)
    await client.add(definition("a"), definition("b", "a"), definition("c", "b"))

    for task_id in ("a", "b", "c"):
        claim = await next_claim(stream)
        assert claim.task.task_id == task_id
        await run(client, claim)

    assert opened.opened.heartbeat_interval.ToTimedelta().total_seconds() == 10
    message = await next_message(stream)
    while not message.notice.done:
        message = await next_message(stream)


async def test_the_items_of_one_call_are_answered_one_by_one(served: Server) -> None:
    client = served.client()
    stream = client.claims(slots=3)
    await client.add(*(definition(f"t{n}") for n in range(3)))
    claims: list[worker_pb.Claim] = []
    while len(claims) < 3:
        claims += (await next_message(stream)).claims

    records = [record for claim in claims for record in start(claim).records]
    records.insert(
        1, worker_pb.SessionRecord(lease_id="1-99-1-" + "0" * 32, session_id="s", role=BUILDER, runner="x")
    )
    answers = (
        await client.call("RecordSession", worker_pb.RecordSessionRequest(worker="w1", records=records))
    ).answers

    assert [answer.go for answer in answers] == [True, False, True, True]
    assert answers[1].order.action == worker_pb.ORDER_ACTION_ABANDON
    ended = [item for claim in claims for item in finish(claim).finished]
    ended.insert(0, worker_pb.FinishedAttempt(lease_id="nonsense", outcome=ended[0].outcome))
    results = (
        await client.call("FinishTask", worker_pb.FinishTaskRequest(worker="w1", finished=ended))
    ).results
    assert [result.disposition for result in results] == [
        worker_pb.FINISH_DISPOSITION_UNKNOWN, *[worker_pb.FINISH_DISPOSITION_ACCEPTED] * 3,
    ]  # fmt: skip


async def test_progress_and_ends_in_the_request_of_an_outcome_are_stored_before_it(served: Server) -> None:
    client = served.client()
    stream = client.claims()
    await client.add(definition("a"))
    claim = await next_claim(stream)
    record = start(claim).records[0]
    await client.call("RecordSession", start(claim))
    request = finish(claim)
    end = worker_pb.SessionEnd(exit_code=3, usage=session_pb2.Usage(input_tokens=7))
    request.finished[0].ends.add(lease_id=claim.lease_id, session_id=record.session_id, end=end)
    entry = session_pb2.LogEntry(number=1, kind=session_pb2.LOG_KIND_OUTPUT, text="done")
    request.sessions.add(lease_id=claim.lease_id, session_id=record.session_id, entries=[entry])

    for _ in range(2):
        answer = await client.call("FinishTask", request)
        assert answer.results[0].disposition == worker_pb.FINISH_DISPOSITION_ACCEPTED

    [attempt] = (await client.get("a")).attempts
    [session] = attempt.sessions
    assert (session.exit_code, session.usage.input_tokens) == (3, 7)
    events = client.operator.WatchEvents(pb.WatchEventsRequest(), metadata=client.metadata)
    kinds = [event_pb2.EventKind.Name(event.kind) async for message in events for event in message.events]
    assert kinds[-2:] == ["EVENT_KIND_SESSION_ENDED", "EVENT_KIND_TASK_COMPLETED"]
    log = client.operator.TailLog(pb.TailLogRequest(task_id="a"), metadata=client.metadata)
    assert [entry.text async for message in log for entry in message.entries] == ["done"]


async def test_the_next_claim_carries_the_findings_and_the_last_error(tmp_path: object) -> None:
    async with server(tmp_path, retry_backoff=0.0) as served:  # type: ignore[arg-type]
        client = served.client()
        stream = client.claims()
        await client.add(definition("a"))
        first = await next_claim(stream)
        await client.call("RecordSession", start(first))
        verdict = session_pb2.Verdict(
            passed=False, findings=[session_pb2.Finding(finding_id="f1", issue="no tests")]
        )
        await client.call(
            "FinishTask",
            finish(
                first,
                kind=task_pb2.OUTCOME_KIND_FAILED,
                error="rejected",
                verdict=verdict,
                failure_class=task_pb2.FAILURE_CLASS_VALIDATION_FAILED,
            ),
        )

        again = await next_claim(stream)

        assert (first.attempt, again.attempt) == (1, 2)
        assert [finding.issue for finding in again.findings] == ["no tests"]
        assert again.last_error == "rejected"
        shown = await client.get("a")
        assert shown.attempts[0].verdict == verdict
        assert shown.task.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED


async def test_the_progress_of_a_session_is_shown_while_it_runs(served: Server) -> None:
    client = served.client()
    stream = client.claims()
    await client.add(definition("a"))
    claim = await next_claim(stream)
    await client.call("RecordSession", start(claim))
    follow = client.operator.TailLog(pb.TailLogRequest(task_id="a", follow=True), metadata=client.metadata)

    for number in (1, 2, 2):
        entry = session_pb2.LogEntry(number=number, kind=session_pb2.LOG_KIND_REPLY, text=f"line {number}")
        progress = worker_pb.SessionProgress(
            lease_id=claim.lease_id, session_id="a-1-1", entries=[entry],
            usage=session_pb2.Usage(input_tokens=10 * number, output_tokens=number, cost="0.0034075"),
        )  # fmt: skip
        await client.call("ReportProgress", worker_pb.ReportProgressRequest(worker="w1", sessions=[progress]))

    seen: list[str] = []
    while len(seen) < 2:
        seen += [entry.text for entry in (await next_message(follow)).entries]
    assert seen == ["line 1", "line 2"]
    usage = (await client.get("a")).task.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cost) == (20, 2, "0.0034075")
    await client.call("FinishTask", finish(claim))
    assert await follow.read() is grpc.aio.EOF


async def test_a_kill_reaches_the_worker_over_the_stream_and_with_the_next_heartbeat(served: Server) -> None:
    client = served.client()
    stream = client.claims()
    await client.add(definition("a"))
    claim = await next_claim(stream)
    await client.call("RecordSession", start(claim))

    killed = await client.call("KillTask", pb.KillTaskRequest(task_ids=["a"], cause="too dear"))

    assert killed.tasks[0].status == task_pb2.TASK_STATUS_KILLING
    message = await next_message(stream)
    while not message.orders:
        message = await next_message(stream)
    assert message.orders[0].action == worker_pb.ORDER_ACTION_STOP
    beat = worker_pb.HeartbeatRequest(worker="w1", incarnation="w1-1", lease_ids=[claim.lease_id])
    assert [order.cause for order in (await client.call("Heartbeat", beat)).orders] == ["too dear"]
    receipt = session_pb2.KillReceipt(containment="subreaper", processes_found=3, terminated=3, killed=1)
    await client.call("FinishTask", finish(claim, kind=task_pb2.OUTCOME_KIND_STOPPED, kill_receipt=receipt))
    shown = await client.get("a")
    assert (shown.task.status, shown.task.cause) == (task_pb2.TASK_STATUS_KILLED, "too dear")
    assert shown.attempts[0].kill_receipt == receipt


async def test_a_second_stream_of_the_same_process_ends_the_first(served: Server) -> None:
    client = served.client()
    first = client.claims()
    await next_message(first)

    second = client.claims()
    await next_message(second)

    async def drain() -> None:
        while await first.read() is not grpc.aio.EOF:
            pass

    assert (await refusal(drain())).reason == "STREAM_REPLACED"


async def test_a_request_for_a_stream_that_comes_late_is_refused(served: Server) -> None:
    client = served.client()
    stream = client.claims(opening=2)
    await next_message(stream)

    assert (await refusal(client.claims(opening=1, incarnation="older").read())).reason == "STREAM_REPLACED"

    await client.add(definition("a"))
    assert (await next_claim(stream)).task.task_id == "a", "the newer stream goes on"


async def test_a_taken_name_is_refused_with_its_owner(served: Server) -> None:
    client = served.client()
    first = client.claims(host="box-1", pid=7)
    await next_message(first)

    other = client.claims(instance="elsewhere", incarnation="2")

    error = await refusal(other.read())
    assert (error.code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "WORKER_NAME_TAKEN")
    assert error.metadata == {"worker": "w1", "host": "box-1", "pid": "7"}


async def test_a_worker_that_leaves_is_gone_and_its_name_is_free(served: Server) -> None:
    client = served.client()
    stream = client.claims()
    await next_message(stream)

    leaving = worker_pb.HeartbeatRequest(
        worker="w1", incarnation="w1-1", phase=worker_pb.WORKER_PHASE_LEAVING
    )
    await client.call("Heartbeat", leaving)

    workers = (await client.call("ListWorkers", pb.ListWorkersRequest())).workers
    assert [worker.status for worker in workers] == [4]
    await next_message(client.claims(instance="elsewhere", incarnation="2"))


async def test_sessions_survive_a_restart_of_the_server_and_their_result_counts(
    tmp_path: object,
) -> None:
    async with server(tmp_path) as before:  # type: ignore[arg-type]
        client = before.client()
        await client.add(definition("a"))
        claim = await next_claim(client.claims())
        await client.call("RecordSession", start(claim))

    async with server(tmp_path) as after:  # type: ignore[arg-type]
        client = after.client()
        stream = client.claims(lease_ids=[claim.lease_id])
        await next_message(stream)
        assert await client.status("a") == "in_progress"
        result = await client.call("FinishTask", finish(claim))
        assert result.results[0].disposition == worker_pb.FINISH_DISPOSITION_ACCEPTED
        assert await client.status("a") == "completed"


async def test_a_broken_stream_frees_no_started_task(served: Server) -> None:
    client = served.client()
    stream = client.claims()
    await client.add(definition("a"))
    claim = await next_claim(stream)
    await client.call("RecordSession", start(claim))

    stream.cancel()

    worker = served.swarm.live.workers["w1"]  # type: ignore[index]
    await eventually(lambda: not worker.connected, "the server notices the broken stream")
    assert await client.status("a") == "in_progress"


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("ClaimTask", worker_pb.ClaimTaskRequest(worker="a b", incarnation="1", instance="1", slots=1), "worker"),
        ("ClaimTask", worker_pb.ClaimTaskRequest(worker="w", incarnation="1", instance="1", slots=0), "slots"),
        ("ClaimTask", worker_pb.ClaimTaskRequest(worker="w", incarnation="", instance="1", slots=1), "incarnation"),
        (
            "ClaimTask",
            worker_pb.ClaimTaskRequest(worker="w", incarnation="1", instance="1", slots=1, opening=-1),
            "opening",
        ),
        ("RecordSession",
         worker_pb.RecordSessionRequest(worker="w", records=[worker_pb.SessionRecord(session_id="x" * 10_000)]),
         "records.session_id"),
        ("RecordSession", worker_pb.RecordSessionRequest(
            worker="w", records=[worker_pb.SessionRecord(session_id="s", role=77)]), "records.role"),  # type: ignore[arg-type]
        ("FinishTask", worker_pb.FinishTaskRequest(worker="w", finished=[worker_pb.FinishedAttempt()]), "outcome.kind"),
        ("FinishTask", worker_pb.FinishTaskRequest(
            worker="w", finished=[worker_pb.FinishedAttempt()] * 1025), "finished"),
        ("FinishTask", worker_pb.FinishTaskRequest(worker="w", finished=[worker_pb.FinishedAttempt(
            outcome=COMPLETED, ends=[worker_pb.SessionRecord(session_id="s", role=BUILDER)])]), "finished.ends.end"),
        *(("FinishTask", worker_pb.FinishTaskRequest(
            worker="w", finished=[worker_pb.FinishedAttempt(outcome=outcome)]), "finished.outcome")
          for outcome in CONTRADICTIONS),
        ("FinishTask", worker_pb.FinishTaskRequest(worker="w", sessions=[
            worker_pb.SessionProgress(entries=[session_pb2.LogEntry(number=0)])]), "sessions.entries.number"),
        ("ReportProgress", worker_pb.ReportProgressRequest(worker="w", sessions=[
            worker_pb.SessionProgress(entries=[session_pb2.LogEntry(number=0)])]), "sessions.entries.number"),
        ("ReportProgress", worker_pb.ReportProgressRequest(worker="w", sessions=[
            worker_pb.SessionProgress(usage=session_pb2.Usage(input_tokens=-1))]), "usage"),
        ("ReportProgress", worker_pb.ReportProgressRequest(worker="w", sessions=[
            worker_pb.SessionProgress(usage=session_pb2.Usage(cost="nan"))]), "usage.cost"),
    ],
)  # fmt: skip
async def test_a_bad_field_is_named_and_nothing_changes(
    served: Server, method: str, request_: object, field: str
) -> None:
    client = served.client()
    call = getattr(client.worker, method)(request_, metadata=client.metadata, timeout=10)

    error = await refusal(call.read() if method == "ClaimTask" else call)

    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.metadata == {"field": field}
    events = client.operator.WatchEvents(pb.WatchEventsRequest(), metadata=client.metadata)
    assert [event.kind async for message in events for event in message.events] == [26]


async def test_a_heartbeat_is_answered_while_the_writer_is_busy(served: Server) -> None:
    client = served.client()
    await next_message(client.claims())
    busy, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_tx: object) -> None:
        loop.call_soon_threadsafe(busy.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    holding = asyncio.create_task(served.swarm.db.write(hold))
    await busy.wait()

    await client.call("Heartbeat", worker_pb.HeartbeatRequest(worker="w1", incarnation="w1-1"))

    release.set()
    await holding
