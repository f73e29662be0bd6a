"""OperatorService: lists, details, reasons, events, exports and backups."""

import asyncio
import threading
from pathlib import Path

import apsw
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2, swarm_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from support.server import Client, Server, next_claim, next_message, refusal, server
from swarmd.store.database import READERS

FULL = task_pb2.TaskDefinition(
    task_id="2.6.1.a", name="All fields", phase="implementation", type="feature", priority=-3, estimated_hours=2.5,
    description="line one\n  line two ", acceptance_criteria=["one", "two\nlines"], files=["src/a.py"],
    design_docs=["docs/a.md"], dependencies=["2.5.0"], max_retries=0, validate=False, builder_agent="b",
    validator_agent="v", labels={"gpu": "yes", "zone": ""}, checks=["true"],
    on_dependency_failure=task_pb2.DEPENDENCY_FAILURE_POLICY_BLOCK, workspace=task_pb2.WORKSPACE_KIND_CLONE,
    setup=["npm ci"], keep=["node_modules"], exclusive=["db", "port"], artifacts=["shots/*.png"], land=False,
    landing=task_pb2.LANDING_STYLE_REBASE, landing_checks=["make test"], changes=task_pb2.EXPECTED_CHANGES_NONE,
    retry_from=task_pb2.RETRY_FROM_BASE, sandbox=task_pb2.SANDBOX_KIND_AUTO, network=task_pb2.NETWORK_ACCESS_NONE,
    limits=task_pb2.ResourceLimits(memory_bytes=4 << 30, cpus=1.5, threads=512),
)  # fmt: skip
FULL.builder_timeout.FromMilliseconds(1500)
FULL.stall_timeout.SetInParent()
FULL.check_timeout.FromSeconds(60)
FULL.rehearsal.builder.add(reply="done").calls.add(tool="write_file", arguments={"path": "a", "content": "b"})


def named(*task_ids: str) -> list[task_pb2.TaskDefinition]:
    return [task_pb2.TaskDefinition(task_id=task_id) for task_id in task_ids]


async def listed(client: Client, **request: object) -> tuple[list[str], pb.ListTasksResponse]:
    response = await client.call("ListTasks", pb.ListTasksRequest(**request))  # type: ignore[arg-type]
    return [task.task_id for task in response.tasks], response


async def test_a_definition_comes_back_as_it_was_sent(served: Server) -> None:
    client = served.client()

    await client.add(*named("2.5.0"), FULL)

    assert (await client.get("2.6.1.a")).definition == FULL
    exported = client.operator.ExportTasks(pb.ExportTasksRequest(), metadata=client.metadata)
    plan = [task async for message in exported for task in message.tasks]
    assert plan[1].definition == FULL


async def test_a_kill_and_a_stop_are_answered_while_long_reads_have_every_reader(served: Server) -> None:
    client = served.client()
    await client.add(*named("a", "b"))
    began, release = threading.Semaphore(0), threading.Event()

    def read(_tx: object) -> None:
        began.release()
        assert release.wait(30)

    reads = [asyncio.create_task(served.swarm.db.read(read)) for _ in range(READERS)]
    for _ in reads:
        await asyncio.to_thread(began.acquire)

    killed = await client.call("KillTask", pb.KillTaskRequest(task_ids=["a"]))
    stopped = await client.call("EmergencyStop", pb.EmergencyStopRequest(cause="fire"))

    assert [task.status for task in killed.tasks] == [task_pb2.TASK_STATUS_KILLED]
    assert (stopped.swarm.mode, stopped.swarm.cause) == (swarm_pb2.SWARM_MODE_STOPPED, "fire")
    release.set()
    await asyncio.gather(*reads)


async def test_d19_a_list_pages_through_everything(served: Server) -> None:
    client = served.client()
    ids = [f"t{n}" for n in range(250)]
    await client.add(*named(*ids))

    seen, response = await listed(client, page_size=100)
    pages = 1
    while response.next_page_token:
        more, response = await listed(client, page_size=100, page_token=response.next_page_token)
        seen, pages = seen + more, pages + 1

    assert seen == ids
    assert (pages, response.total) == (3, 250)


async def test_lists_are_filtered_by_status_phase_and_text(served: Server) -> None:
    client = served.client()
    await client.add(
        task_pb2.TaskDefinition(task_id="a_1", name="Build the parser", phase="one"),
        task_pb2.TaskDefinition(task_id="aX1", name="Test it", phase="two", dependencies=["a_1"]),
    )

    assert (await listed(client, search="a_1"))[0] == ["a_1"], "an underscore matches only itself"
    assert (await listed(client, search="PARSER"))[0] == ["a_1"]
    assert (await listed(client, search="%"))[0] == []
    assert (await listed(client, phase="two"))[0] == ["aX1"]
    assert (await listed(client, statuses=[task_pb2.TASK_STATUS_BLOCKED]))[0] == ["aX1"]


async def test_any_beginning_that_fits_one_task_names_it(served: Server) -> None:
    client = served.client()
    await client.add(*named("alpha", "alpine", "beta", "al"))

    assert (await client.get("b")).task.task_id == "beta"
    assert (await client.get("al")).task.task_id == "al", "an exact id wins"
    ambiguous = await refusal(client.get("alp"))
    assert (ambiguous.reason, ambiguous.code) == ("TASK_AMBIGUOUS", grpc.StatusCode.INVALID_ARGUMENT)
    assert "alpha, alpine" in ambiguous.message
    missing = await refusal(client.get("alpah"))
    assert (missing.reason, missing.message) == ("TASK_NOT_FOUND", "no task 'alpah'; did you mean 'alpha'?")
    assert (await refusal(client.get(""))).metadata == {"field": "task_id"}


async def test_faults_of_a_plan_come_with_their_places(served: Server) -> None:
    error = await refusal(
        served.client().add(task_pb2.TaskDefinition(task_id="a", dependencies=["b"]), *named("x y"))
    )

    assert (error.reason, error.metadata) == ("INVALID_TASKS", {"count": "2"})
    assert [violation.place for violation in error.violations] == [
        "tasks[1].task_id",
        "tasks[0].dependencies[0]",
    ]


async def test_the_fields_of_workspaces_and_the_numbers_of_names_are_checked(served: Server) -> None:
    client = served.client()
    faulty = task_pb2.TaskDefinition(
        task_id="a",
        exclusive=["a b"],
        keep=["../x"],
        artifacts=["/x"],
        setup=["# later"],
        landing_checks=[""],
    )

    error = await refusal(client.add(faulty, concurrency={"db": 0}))

    assert sorted(violation.place for violation in error.violations) == [
        "concurrency.db",
        *(f"tasks[0].{name}[0]" for name in ("artifacts", "exclusive", "keep", "landing_checks", "setup")),
    ]
    unknown = task_pb2.TaskDefinition(task_id="a")
    unknown.landing = 99  # type: ignore[assignment]  # a value of a later version
    assert (await refusal(client.add(unknown))).metadata == {"field": "landing"}
    assert (await listed(client))[0] == []


async def test_the_numbers_of_names_are_exported_and_a_dry_run_sets_none(served: Server) -> None:
    client = served.client()

    async def exported() -> dict[str, int]:
        stream = client.operator.ExportTasks(pb.ExportTasksRequest(), metadata=client.metadata)
        answers = [message async for message in stream]
        assert all(not message.concurrency for message in answers[1:])
        return dict(answers[0].concurrency) if answers else {}

    await client.add(*named("a"), concurrency={"db": 2}, dry_run=True)
    assert await exported() == {}
    await client.add(*named("a"), concurrency={"db": 2, "gpu": 3})
    await client.add(*named("b"), concurrency={"db": 1})
    assert await exported() == {"db": 1, "gpu": 3}
    await client.add(clear=True)
    assert await exported() == {}


async def reasons(client: Client, task_id: str) -> list[str]:
    response = await client.call("ExplainTask", pb.ExplainTaskRequest(task_id=task_id))
    return [
        pb.ReasonKind.Name(reason.kind).removeprefix("REASON_KIND_").lower() for reason in response.reasons
    ]


async def test_a_name_is_held_by_one_claim_and_explained_to_the_next(served: Server) -> None:
    client = served.client()
    await client.add(*(task_pb2.TaskDefinition(task_id=task_id, exclusive=["db"]) for task_id in "ab"))
    stream = client.claims(slots=2)

    assert (await next_claim(stream)).task.task_id == "a"

    response = await client.call("ExplainTask", pb.ExplainTaskRequest(task_id="b"))
    [reason] = response.reasons
    assert reason.kind == pb.REASON_KIND_NAME_HELD
    assert reason.message.startswith("it waits for db, held by task a at worker w1 since ")
    assert list(reason.task_ids) == ["a"]
    await client.call("KillTask", pb.KillTaskRequest(task_ids=["a"]))
    assert (await next_claim(stream)).task.task_id == "b"


@pytest.mark.parametrize("exclusive_files", [False, True])
async def test_files_count_in_clones_if_the_server_says_so(tmp_path: Path, *, exclusive_files: bool) -> None:
    async with server(tmp_path, exclusive_files=exclusive_files) as served:
        client = served.client()
        await client.add(*(task_pb2.TaskDefinition(task_id=task_id, files=["x.py"]) for task_id in "ab"))
        stream = client.claims(
            slots=2, repository="r", target="main", workspace=task_pb2.WORKSPACE_KIND_CLONE
        )

        await next_claim(stream)

        assert await reasons(client, "b") == (["name_held"] if exclusive_files else ["held"])


async def test_explain_gives_every_reason_and_changes_with_them(served: Server) -> None:
    client = served.client()
    gpu = task_pb2.TaskDefinition(task_id="gpu", labels={"gpu": "yes"})
    await client.add(*named("a", "queued"), task_pb2.TaskDefinition(task_id="b", dependencies=["a"]), gpu)
    await client.call("PauseSwarm", pb.PauseSwarmRequest(cause="lunch"))

    assert await reasons(client, "b") == ["paused", "dependency", "no_worker"]
    stream = client.claims()
    await next_message(stream)
    assert await reasons(client, "a") == ["paused"]
    assert await reasons(client, "gpu") == ["paused", "no_label"]
    await client.call("ResumeSwarm", pb.ResumeSwarmRequest())
    claim = await next_claim(stream)
    assert await reasons(client, "a") == ["held"]
    assert await reasons(client, "queued") == ["no_slot"]
    record = worker_pb.SessionRecord(
        lease_id=claim.lease_id, session_id="s", role=session_pb2.SESSION_ROLE_BUILDER
    )
    await client.call("RecordSession", worker_pb.RecordSessionRequest(worker="w1", records=[record]))
    failed = task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_FAILED, failure_class=task_pb2.FAILURE_CLASS_TIMEOUT)
    item = worker_pb.FinishedAttempt(lease_id=claim.lease_id, outcome=failed)
    await client.call("FinishTask", worker_pb.FinishTaskRequest(worker="w1", finished=[item]))
    assert "backoff" in await reasons(client, "a")
    await client.call("EmergencyStop", pb.EmergencyStopRequest(cause="fire"))
    assert (await reasons(client, "b"))[0] == "stopped"
    await client.call("KillTask", pb.KillTaskRequest(task_ids=["gpu"]))
    assert await reasons(client, "gpu") == ["ended"]


async def test_events_are_followed_without_gap_from_any_cursor(served: Server) -> None:
    client = served.client()
    follow = client.operator.WatchEvents(pb.WatchEventsRequest(follow=True), metadata=client.metadata)
    seen: list[int] = []

    async def read(count: int) -> None:
        while len(seen) < count:
            seen.extend(event.seq for event in (await next_message(follow)).events)

    await client.add(*named("a", "b"))
    await asyncio.wait_for(read(3), 20)
    await client.call("KillTask", pb.KillTaskRequest(task_ids=["a"]))
    await asyncio.wait_for(read(4), 20)

    assert seen == [1, 2, 3, 4]
    later = client.operator.WatchEvents(
        pb.WatchEventsRequest(after_seq=2, task_id="a"), metadata=client.metadata
    )
    assert [event.seq async for message in later for event in message.events] == [4]


async def test_a_backup_is_a_database_that_a_server_can_run_on(served: Server, tmp_path: object) -> None:
    from pathlib import Path  # noqa: PLC0415

    client = served.client()
    await client.add(*named("a"))
    stream = client.operator.Backup(pb.BackupRequest(), metadata=client.metadata)
    blob = b"".join([message.chunk async for message in stream])
    folder = Path(str(tmp_path)) / "restored"
    folder.mkdir()
    (folder / "swarm.db").write_bytes(blob)
    (folder / "swarm.db").chmod(0o600)
    (folder / "token").write_text((served.folder / "token").read_text())
    (folder / "token").chmod(0o600)

    assert apsw.Connection(str(folder / "swarm.db")).pragma("integrity_check") == "ok"
    async with server(folder) as restored:
        assert await restored.client().status("a") == "not_started"
    assert not list(served.folder.glob("backup-*"))


async def test_the_swarm_shows_its_counts_hours_mode_and_workers(served: Server) -> None:
    client = served.client()
    await client.add(
        task_pb2.TaskDefinition(task_id="a", estimated_hours=2),
        task_pb2.TaskDefinition(task_id="b", estimated_hours=0.5, dependencies=["a"]),
    )
    await next_message(client.claims(slots=3))

    found: swarm_pb2.Swarm = (await client.call("GetSwarm", pb.GetSwarmRequest())).swarm

    counts = {count.status: count.count for count in found.counts}
    assert counts == {task_pb2.TASK_STATUS_BLOCKED: 1, task_pb2.TASK_STATUS_CLAIMED: 1}
    assert (found.estimated_hours, found.completed_hours) == (2.5, 0)
    assert (found.workers, found.slots, found.done, found.mode) == (1, 3, False, swarm_pb2.SWARM_MODE_RUNNING)


async def test_verbs_on_tasks_answer_with_the_tasks_in_the_order_asked_for(served: Server) -> None:
    client = served.client()
    await client.add(*named("a", "b", "c"))

    killed = await client.call("KillTask", pb.KillTaskRequest(task_ids=["c", "a"]))
    retried = await client.call("RetryTask", pb.RetryTaskRequest(task_ids=["a"]))
    depends = await client.call("AddDependency", pb.AddDependencyRequest(task_id="a", dependency="b"))

    assert [task.task_id for task in killed.tasks] == ["c", "a"]
    assert retried.tasks[0].status == task_pb2.TASK_STATUS_NOT_STARTED
    assert list(depends.task.blocked_by) == ["b"]


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        ("KillTask", pb.KillTaskRequest(task_ids=["ghost"]), "TASK_NOT_FOUND"),
        ("KillTask", pb.KillTaskRequest(task_ids=["a"], cause="x" * 501), "INVALID_REQUEST"),
        ("KillTask", pb.KillTaskRequest(task_ids=["ghost", "phantom"]), "TASK_NOT_FOUND"),
        ("KillTask", pb.KillTaskRequest(task_ids=["a", ""]), "INVALID_REQUEST"),
        ("KillTask", pb.KillTaskRequest(task_ids=["a"] * 100_001), "INVALID_REQUEST"),
        ("RetryTask", pb.RetryTaskRequest(task_ids=["ghost"]), "TASK_NOT_FOUND"),
        ("DrainWorker", pb.DrainWorkerRequest(worker="ghost"), "WORKER_NOT_FOUND"),
        ("DrainWorker", pb.DrainWorkerRequest(), "INVALID_REQUEST"),
        ("DrainWorker", pb.DrainWorkerRequest(all=True, deadline=Duration(seconds=31_536_001)), "INVALID_REQUEST"),
        ("DrainWorker", pb.DrainWorkerRequest(all=True, deadline=Duration(seconds=-1)), "INVALID_REQUEST"),
        ("ListTasks", pb.ListTasksRequest(page_token="x"), "INVALID_REQUEST"),
        ("ListTasks", pb.ListTasksRequest(statuses=[99]), "INVALID_REQUEST"),  # type: ignore[list-item]
        ("CreateToken", pb.CreateTokenRequest(), "INVALID_REQUEST"),
        ("RevokeToken", pb.RevokeTokenRequest(token_id="ghost"), "TOKEN_NOT_FOUND"),
        ("AddDependency", pb.AddDependencyRequest(task_id="a", dependency="a"), "INVALID_TASKS"),
    ],
)  # fmt: skip
async def test_what_can_not_be_done_is_refused_and_changes_nothing(
    served: Server, method: str, request_: object, reason: str
) -> None:
    client = served.client()
    await client.add(*named("a"))
    before = (await client.call("GetSwarm", pb.GetSwarmRequest())).swarm

    error = await refusal(client.call(method, request_))

    assert error.reason == reason
    after = (await client.call("GetSwarm", pb.GetSwarmRequest())).swarm
    assert after == before


async def test_the_log_of_a_task_that_never_ran_is_refused_with_the_reason(served: Server) -> None:
    client = served.client()
    await client.add(*named("a"))

    stream = client.operator.TailLog(pb.TailLogRequest(task_id="a"), metadata=client.metadata)

    assert (await refusal(stream.read())).message == "task 'a' has no session yet"
