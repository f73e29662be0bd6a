"""Landings over gRPC: the right, what a claim carries, changes with their patches, and refusals of bad reports."""

import asyncio
from typing import Any

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from support.server import Client, Server, next_claim, refusal

CLONES: dict[str, Any] = {
    "repository": "host:/repo",
    "target": "swarm/main",
    "workspace": task_pb2.WORKSPACE_KIND_CLONE,
}
BASE, HEAD, COMMIT = "a" * 40, "b" * 40, "c" * 40
LANDING = task_pb2.Landing(target="swarm/main", commit=COMMIT, onto=BASE)


def change(**fields: Any) -> task_pb2.Change:
    files = [task_pb2.ChangedFile(path="x.py", status="M", added=2, removed=0)]
    made: dict[str, Any] = {
        "base": BASE,
        "head": HEAD,
        "ref": "refs/swarm/a/1",
        "files": files,
        "file_count": 1,
    }
    return task_pb2.Change(**(made | fields))


async def started(client: Client, stream: Any, worker: str = "w1") -> worker_pb.Claim:
    """Receives the next claim and starts its builder."""
    claim = await next_claim(stream)
    record = worker_pb.SessionRecord(
        lease_id=claim.lease_id,
        session_id=f"{claim.task.task_id}-{claim.attempt}-builder",
        role=session_pb2.SESSION_ROLE_BUILDER,
        runner="command",
    )
    answer = await client.call(
        "RecordSession", worker_pb.RecordSessionRequest(worker=worker, records=[record])
    )
    assert answer.answers[0].go
    return claim


async def land(client: Client, claim: worker_pb.Claim, worker: str = "w1") -> worker_pb.LandTaskResponse:
    request = worker_pb.LandTaskRequest(worker=worker, lease_id=claim.lease_id)
    response: worker_pb.LandTaskResponse = await client.call("LandTask", request)
    return response


async def finish(client: Client, claim: worker_pb.Claim, worker: str = "w1", **outcome: Any) -> str:
    made: dict[str, Any] = {"kind": task_pb2.OUTCOME_KIND_COMPLETED, "validation_waived": True}
    item = worker_pb.FinishedAttempt(lease_id=claim.lease_id, outcome=task_pb2.Outcome(**(made | outcome)))
    answer = await client.call("FinishTask", worker_pb.FinishTaskRequest(worker=worker, finished=[item]))
    return worker_pb.FinishDisposition.Name(answer.results[0].disposition)


async def test_work_lands_and_its_dependent_starts_from_it(served: Server) -> None:
    client = served.client()
    stream = client.claims(**CLONES)
    await client.add(
        task_pb2.TaskDefinition(task_id="a"), task_pb2.TaskDefinition(task_id="b", dependencies=["a"])
    )
    claim = await started(client, stream)
    assert (claim.base, claim.first_base, claim.previous_head) == ("", "", "")

    assert await land(client, claim) == worker_pb.LandTaskResponse(granted=True)
    await finish(client, claim, landing=LANDING, change=change(patch="+x = 1\n"))

    dependent = await next_claim(stream)
    assert (dependent.base, dependent.first_base) == (COMMIT, COMMIT)
    attempt = (await client.get("a")).attempts[0]
    assert attempt.landing == LANDING
    assert attempt.change == change()
    diff = await client.call("DiffTask", pb.DiffTaskRequest(task_id="a"))
    assert (diff.attempt, diff.change) == (1, change(patch="+x = 1\n"))


async def test_kept_work_lands_by_an_order(served: Server) -> None:
    client = served.client()
    stream = client.claims(**CLONES, starts=[task_pb2.START_POINT_LANDING, 60])
    await client.add(task_pb2.TaskDefinition(task_id="draft", land=False))
    first = await started(client, stream)
    await finish(client, first, change=change(ref="refs/swarm/draft/1"))
    assert (await client.get("draft")).task.kept_ref == "refs/swarm/draft/1"
    assert "`swarmctl land draft` lands it" in (await reasons(client, "draft"))[1].message

    ordered = await client.call("LandWork", pb.LandWorkRequest(task_ids=["draft", "ghost"]))

    assert [task.task_id for task in ordered.tasks] == ["draft"]
    assert [refused.task_id for refused in ordered.refused] == ["ghost"]
    claim = await next_claim(stream)
    assert claim.starts_at == task_pb2.START_POINT_LANDING
    assert claim.work == worker_pb.KeptWork(
        attempt=1, base=BASE, head=HEAD, ref="refs/swarm/draft/1", session_id="draft-1-builder"
    )
    assert (claim.task.land, claim.creation) == (True, first.creation)
    assert (await land(client, claim)).granted
    under_way = await client.call("LandWork", pb.LandWorkRequest(task_ids=["draft"]))
    assert [task.work_of for task in under_way.unchanged] == [1]
    await finish(client, claim, landing=LANDING)
    shown = await client.get("draft")
    assert [attempt.work_of for attempt in shown.attempts] == [0, 1]
    assert (shown.task.landed, shown.task.kept_ref) == (LANDING, "")
    diff = await client.call("DiffTask", pb.DiffTaskRequest(task_id="draft"))
    assert diff.attempt == 1, "what changed is the work of the attempt that did it"


async def test_an_order_to_land_is_refused_for_a_task_that_is_not_completed(served: Server) -> None:
    client = served.client()
    await client.add(task_pb2.TaskDefinition(task_id="a"))

    error = await refusal(client.call("LandWork", pb.LandWorkRequest(task_ids=["a"])))

    assert error.reason == "INVALID_STATUS"
    assert "only completed work lands" in error.message


async def test_the_second_is_granted_when_the_first_has_landed_and_explain_tells_who_is_before_it(
    served: Server,
) -> None:
    client = served.client()
    streams = {name: client.claims(name, **CLONES) for name in ("w1", "w2")}
    await client.add(task_pb2.TaskDefinition(task_id="a"), task_pb2.TaskDefinition(task_id="b"))
    first, second = [await started(client, stream, name) for name, stream in streams.items()]
    assert (await land(client, first)).granted
    call = asyncio.create_task(land(client, second, "w2"))
    behind = second.task.task_id
    while len(await reasons(client, behind)) < 2:  # noqa: ASYNC110  # no event tells of the queue
        await asyncio.sleep(0.01)

    [held, waits] = await reasons(client, behind)
    assert held.kind == pb.REASON_KIND_HELD
    assert waits.kind == pb.REASON_KIND_LANDING
    assert waits.task_ids == [first.task.task_id]
    expected = f"1 before it (task {first.task.task_id} at worker w1 lands now since"
    assert waits.message.startswith(f"its work waits to land on swarm/main: {expected}")
    [_, lands] = await reasons(client, first.task.task_id)
    assert lands.message.startswith("its work lands on swarm/main since")
    assert not call.done()

    await finish(client, first, landing=LANDING)

    assert await call == worker_pb.LandTaskResponse(granted=True, tip=COMMIT)


async def reasons(client: Client, task_id: str) -> list[pb.Reason]:
    response = await client.call("ExplainTask", pb.ExplainTaskRequest(task_id=task_id))
    return list(response.reasons)


async def test_a_task_that_needs_a_clone_says_so_while_no_worker_makes_one(served: Server) -> None:
    client = served.client()
    plain = client.claims()
    await plain.read()
    clone = task_pb2.TaskDefinition(task_id="a", workspace=task_pb2.WORKSPACE_KIND_CLONE)
    await client.add(clone)

    [reason] = await reasons(client, "a")

    assert reason.kind == pb.REASON_KIND_NO_CLONE
    assert "--repo" in reason.message


async def test_a_lease_that_has_ended_gets_an_order_in_place_of_the_right(served: Server) -> None:
    client = served.client()
    stream = client.claims(**CLONES)
    await client.add(task_pb2.TaskDefinition(task_id="a"))
    claim = await started(client, stream)
    await finish(client, claim, landing=LANDING)

    assert (await land(client, claim)).order.action == worker_pb.ORDER_ACTION_ABANDON
    forged = worker_pb.LandTaskRequest(worker="w2", lease_id=claim.lease_id)
    assert (await client.call("LandTask", forged)).order.action == worker_pb.ORDER_ACTION_ABANDON
    nonsense = worker_pb.LandTaskRequest(worker="w1", lease_id="nonsense")
    assert (await client.call("LandTask", nonsense)).order.lease_id == "nonsense"


async def test_secrets_in_a_patch_are_masked(served: Server) -> None:
    client = served.client()
    stream = client.claims(**CLONES)
    await client.add(task_pb2.TaskDefinition(task_id="a"))
    claim = await started(client, stream)
    patch = "+key = 'sk-" + "x" * 24 + "'\n" + "+line\n" * 50_000

    await finish(client, claim, landing=LANDING, change=change(patch=patch))

    found = (await client.call("DiffTask", pb.DiffTaskRequest(task_id="a", attempt=1))).change.patch
    assert "sk-x" not in found
    assert found.count("+line") == 50_000


async def test_a_patch_that_nobody_reported_is_not_found(served: Server) -> None:
    client = served.client()
    await client.add(task_pb2.TaskDefinition(task_id="a"))

    error = await refusal(client.call("DiffTask", pb.DiffTaskRequest(task_id="a", attempt=3)))
    latest = await refusal(client.call("DiffTask", pb.DiffTaskRequest(task_id="a")))

    assert error.reason == latest.reason == "CHANGE_NOT_FOUND"
    assert "attempt 3 of task 'a' left no change" in error.message
    assert "no attempt of task 'a' left a change" in latest.message


BAD: dict[str, dict[str, Any]] = {
    "finished.outcome.change.base": {"change": change(base="main")},
    "finished.outcome.change.head": {"change": change(head="B" * 40)},
    "finished.outcome.change.ref": {"change": change(ref="refs/../x")},
    "finished.outcome.change.patch": {"change": change(patch="x" * (1024 * 1024 + 1))},
    "finished.outcome.change.file_count": {"change": change(file_count=0)},
    "finished.outcome.change.files.status": {
        "change": change(files=[task_pb2.ChangedFile(path="x", status="?")])
    },
    "finished.outcome.change.files.path": {"change": change(files=[task_pb2.ChangedFile(status="A")])},
    "finished.outcome.change.files": {
        "change": change(files=[task_pb2.ChangedFile(path="x", status="A")] * 2_001, file_count=2_001)
    },
    "finished.outcome.change.ignored": {"change": change(ignored=["x"] * 101)},
    "finished.outcome.landing.commit": {"landing": task_pb2.Landing(target="t", commit="", onto=BASE)},
    "finished.outcome.landing.onto": {"landing": task_pb2.Landing(target="t", commit=COMMIT)},
    "finished.outcome.landing.target": {"landing": task_pb2.Landing(target="-f", commit=COMMIT, onto=BASE)},
    "finished.outcome": {"landing": LANDING, "kind": task_pb2.OUTCOME_KIND_FAILED},
}


@pytest.mark.parametrize("field", BAD)
async def test_a_bad_change_or_landing_is_refused_and_changes_nothing(served: Server, field: str) -> None:
    client = served.client()
    stream = client.claims(**CLONES)
    await client.add(task_pb2.TaskDefinition(task_id="a"))
    claim = await started(client, stream)

    error = await refusal(finish(client, claim, **({"landing": LANDING} | BAD[field])))

    assert (error.reason, error.metadata["field"]) == ("INVALID_REQUEST", field)
    assert await client.status("a") == "in_progress"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"repository": "r" * 4_097}, "repository"),
        ({"repository": "a\nb"}, "repository"),
        ({"target": ""}, "target"),
        ({"target": "a..b"}, "target"),
        ({"target": "refs/"}, "target"),
        ({"workspace": 99}, "workspace"),
    ],
)
async def test_a_worker_with_a_bad_repository_is_refused(
    served: Server, fields: dict[str, Any], field: str
) -> None:
    error = await refusal(served.client().claims(**(CLONES | fields)).read())

    assert (error.reason, error.metadata["field"]) == ("INVALID_REQUEST", field)
