"""The routes' responses: the documents of the command line, in pages, and errors with their reason."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from amplifier_swarm.documents.attempts import show_document
from amplifier_swarm.documents.swarm import swarm_document
from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from support.grpc_worker import RECEIPT, GrpcWorker
from support.waiting import eventually
from support.web import Web
from swarmd.store.reads.pages import Sort


async def add(dashboard: Web, *tasks: TaskDefinition) -> None:
    await dashboard.server.client().add(*tasks)


def some(count: int, **fields: Any) -> list[TaskDefinition]:
    return [TaskDefinition(task_id=f"t{n:03}", name=f"Task {n}", **fields) for n in range(count)]


async def walk(dashboard: Web, **query: Any) -> list[str]:
    """Returns the ids of all pages."""
    ids: list[str] = []
    after = None
    while True:
        page = await dashboard.program().get("/api/tasks", **query, **({"after": after} if after else {}))
        ids += [task["id"] for task in page["tasks"]]
        after = page["next"]
        if after is None:
            return ids


async def test_the_documents_are_those_of_the_command_line(dashboard: Web) -> None:
    await add(dashboard, *some(3), TaskDefinition(task_id="after", dependencies=["t000"]))
    client, program = dashboard.server.client(), dashboard.program()

    listed = await client.call("ListTasks", pb.ListTasksRequest())
    shown = await client.get("after")
    swarm = (await client.call("GetSwarm", pb.GetSwarmRequest())).swarm

    assert (await program.get("/api/tasks"))["tasks"] == json.loads(json.dumps(list_document(listed.tasks)))
    assert await program.get("/api/tasks/after") == json.loads(json.dumps(show_document(shown)))
    assert await program.get("/api/status") == json.loads(json.dumps(swarm_document(swarm)))


@pytest.mark.slow
async def test_pages_lead_through_every_task_once_in_any_order(dashboard: Web) -> None:
    tasks = some(23)
    for number, task in enumerate(tasks):
        task.priority = number % 3
        task.phase = f"p{number % 4}"
    await add(dashboard, *tasks)
    ids = [task.task_id for task in tasks]

    assert await walk(dashboard, limit=5) == ids
    for sort in Sort:
        up = await walk(dashboard, limit=4, sort=sort)
        down = await walk(dashboard, limit=4, sort=sort, order="desc")
        assert sorted(up) == ids, sort
        assert down == up[::-1], sort
    by_priority = await walk(dashboard, limit=7, sort="priority")
    assert [tasks[ids.index(one)].priority for one in by_priority] == sorted(t.priority for t in tasks)


async def test_a_page_filters_by_status_phase_and_words(dashboard: Web) -> None:
    await add(dashboard, *some(4, phase="a"), TaskDefinition(task_id="x", name="100% sure_", phase="b"))
    await dashboard.program().post("/api/tasks/t001/kill", expect=202)

    assert await walk(dashboard, status="killed") == ["t001"]
    assert await walk(dashboard, status=["killed", "not_started"], phase="a") == [
        "t000",
        "t001",
        "t002",
        "t003",
    ]
    assert await walk(dashboard, q="TASK 2") == ["t002"]
    assert await walk(dashboard, q="%") == ["x"]
    assert (await dashboard.program().get("/api/tasks", phase="a", limit=1))["total"] == 4


async def test_a_search_finds_text_in_any_language_without_case(dashboard: Web) -> None:
    names = {
        "a": "Übersicht der Größen",
        "b": "U\u0308BERSICHT",
        "c": "Отчёт",
        "d": "日本語の要約",
        "e": "plain",
    }
    await add(dashboard, *(TaskDefinition(task_id=task_id, name=name) for task_id, name in names.items()))
    client = dashboard.server.client()

    for search, found in {
        "übersicht": ["a", "b"], "ÜBER": ["a", "b"], "GRÖSSEN": ["a"], "größen": ["a"], "отчЁт": ["c"],
        "要約": ["d"], "PLAIN": ["e"], "ø": [], "u\u0308bers": ["a", "b"],
    }.items():  # fmt: skip
        assert await walk(dashboard, q=search) == found, search
        listed = await client.call("ListTasks", pb.ListTasksRequest(search=search))
        assert [task.task_id for task in listed.tasks] == found, search
    would = await dashboard.program().post("/api/tasks/kill", {"filter": {"q": "ÜBER"}, "dry_run": True})
    assert would["matched"] == 2
    assert (await dashboard.program().get("/api/tasks/c"))["name"] == names["c"]


async def test_d19_a_large_table_is_never_sent_whole_and_any_row_of_it_is_found(dashboard: Web) -> None:
    await add(dashboard, *some(900))
    program = dashboard.program()

    page = await program.get("/api/tasks", limit=500)

    assert (len(page["tasks"]), page["total"]) == (500, 900)
    await program.get("/api/tasks", limit=501, expect=400)
    assert [task["id"] for task in (await program.get("/api/tasks", q="t899"))["tasks"]] == ["t899"]
    last = await program.get("/api/tasks", sort="id", order="desc", limit=1)
    assert [task["id"] for task in last["tasks"]] == ["t899"]
    async with dashboard.watch() as watcher:
        snapshot = await watcher.frame("snapshot")
        assert "tasks" not in snapshot
        await program.post("/api/tasks/t500/kill", expect=202)
        delta = await watcher.frame("delta")
    assert [task["id"] for task in delta["tasks"]] == ["t500"]


WRONG = {
    "/api/tasks?limit=0": "limit: must be a whole number from 1 to 500",
    "/api/tasks?limit=x": "limit: must be a whole number from 1 to 500",
    "/api/tasks?status=done": "status: must be one of blocked, not_started",
    "/api/tasks?sort=colour": "sort: must be one of id, status",
    "/api/tasks?after=x": "after: is not a cursor issued by this server",
    "/api/tasks?after=e30=": "after: is not a cursor issued by this server",
    "/api/tasks?after=WyJ4Il0=": "after: is not a cursor of this list",
    "/api/tasks?sort=id&after=WzFd": "after: is not a cursor of this list",
    "/api/costs?by=colour": "by: must be one of phase, role",
    "/api/timeline?since=yesterday": "since: must be a time such as",
    "/api/tasks/a/log?role=judge": "role: must be one of builder, validator",
    f"/api/tasks?q={'x' * 1_001}": "q: has 1001 characters; at most 1000",
}


async def test_a_wrong_query_is_refused_with_the_right_values(dashboard: Web) -> None:
    for path, problem in WRONG.items():
        answer = await dashboard.program().get(path, expect=400)

        assert answer["error"]["reason"] == "INVALID_REQUEST", path
        assert answer["error"]["message"].startswith(problem), path


async def test_refusals_carry_the_reasons_of_the_contract(dashboard: Web) -> None:
    await add(dashboard, *some(2))
    program = dashboard.program()

    for path, status, reason in (
        ("/api/tasks/ghost", 404, "TASK_NOT_FOUND"),
        ("/api/tasks/t", 400, "TASK_AMBIGUOUS"),
        ("/api/tasks/ghost/log", 404, "TASK_NOT_FOUND"),
        ("/api/nothing", 404, "ROUTE_NOT_FOUND"),
        ("/api/pause", 405, "METHOD_NOT_ALLOWED"),
    ):
        assert (await program.get(path, expect=status))["error"]["reason"] == reason
    for path, status, reason in (
        ("/api/tasks/ghost/kill", 404, "TASK_NOT_FOUND"),
        ("/api/workers/ghost/drain", 404, "WORKER_NOT_FOUND"),
        ("/api/status", 405, "METHOD_NOT_ALLOWED"),
    ):
        assert (await program.post(path, expect=status))["error"]["reason"] == reason


async def test_a_kill_is_answered_at_once_and_the_task_gets_its_receipt(dashboard: Web) -> None:
    await add(dashboard, *some(1))
    hand, program = GrpcWorker(dashboard.server.client()), dashboard.program()
    claim = await hand.claim()
    await hand.start(claim)

    killed = await program.post("/api/tasks/t000/kill", {"cause": "too dear"}, expect=202)
    await hand.finish(claim, "stopped", kill_receipt=RECEIPT)

    assert (killed["status"], killed["cause"], killed["kill_receipt"]) == ("killing", "too dear", None)
    task = await program.get("/api/tasks/t000")
    assert (task["status"], task["kill_receipt"]["processes_found"]) == ("killed", 3)
    assert task["kill_receipt"] == task["attempts"][0]["kill_receipt"]
    # Its worker waits for work, so the new start is claimed at once.
    retried = await program.post("/api/tasks/t000/retry")
    assert (retried["status"], retried["kill_receipt"]) == ("claimed", None)
    refused = await program.post("/api/tasks/t000/kill", {"caus": "typo"}, expect=400)
    assert refused["error"]["message"] == "caus: is not a field of this route; known are: cause"


async def test_the_whole_swarm_is_paused_stopped_resumed_and_drained(dashboard: Web) -> None:
    await add(dashboard, *some(1))
    hand, program = GrpcWorker(dashboard.server.client()), dashboard.program()
    claim = await hand.claim()
    await hand.start(claim)

    paused = await program.post("/api/pause", {"cause": "lunch"})
    stopped = await program.post("/api/emergency-stop", {"cause": "fire"})
    await hand.finish(claim, "stopped", kill_receipt=RECEIPT)
    resumed = await program.post("/api/resume", {"requeue": True})
    drained = await program.post("/api/workers/w1/drain", {"deadline_s": 60})
    everybody = await program.post("/api/graceful-shutdown")

    assert (paused["mode"], paused["cause"]) == ("paused", "lunch")
    assert (stopped["mode"], stopped["killing"]) == ("stopped", ["t000"])
    assert [(one["worker"], one["reach"]) for one in stopped["receipts"]] == [("w1", "ordered")]
    assert (resumed["mode"], resumed["requeued"]) == ("running", ["t000"])
    assert (drained["name"], drained["status"]) == ("w1", "draining")
    assert [worker["name"] for worker in everybody["workers"]] == ["w1"]
    assert (await program.get("/api/workers"))["workers"][0]["status"] == "draining"


async def test_many_are_killed_or_retried_each_on_its_own_and_a_dry_run_says_how_many(dashboard: Web) -> None:
    chain = [TaskDefinition(task_id="c0", max_retries=0)]
    chain += [TaskDefinition(task_id=f"c{n}", dependencies=[f"c{n - 1}"]) for n in (1, 2)]
    await add(dashboard, *chain, *some(2, phase="p"))
    hand, program = GrpcWorker(dashboard.server.client()), dashboard.program()
    assert await hand.work("failed", error="no") == "c0"
    assert await hand.work() == "t000"

    would = await program.post("/api/tasks/kill", {"filter": {"phase": "p"}, "dry_run": True})
    assert (would["matched"], would["done"]) == (2, 1)
    killed = await program.post("/api/tasks/kill", {"filter": {"phase": "p"}, "cause": "enough"})
    assert {**would, "refused": [one["id"] for one in would["refused"]]} == {
        **killed,
        "refused": [one["id"] for one in killed["refused"]],
    }
    assert [(one["id"], one["reason"]) for one in killed["refused"]] == [("t000", "INVALID_STATUS")]

    # c2 waits for c1 and c1 for c0: in the worst order, and without the root.
    for ids, done in ((["c2", "c1"], 0), (["c2", "ghost", "c1", "c0"], 3)):
        would = await program.post("/api/tasks/retry", {"ids": ids, "dry_run": True})
        retried = await program.post("/api/tasks/retry", {"ids": ids})
        assert would["done"] == retried["done"] == done
        assert {one["id"] for one in would["refused"]} == {one["id"] for one in retried["refused"]}
    assert retried["refused"][0]["reason"] == "TASK_NOT_FOUND"
    for body in ({}, {"ids": ["c0"], "filter": {}}, {"filter": {"colour": "red"}}, {"ids": "c0"}):
        await program.post("/api/tasks/kill", body, expect=400)


async def test_a_log_is_read_on_from_its_cursor_and_waited_for(dashboard: Web) -> None:
    import asyncio  # noqa: PLC0415

    await add(dashboard, *some(1))
    hand, program = GrpcWorker(dashboard.server.client()), dashboard.program()
    claim = await hand.claim()
    session = await hand.start(claim)
    await hand.say(claim, session, "one", "two")
    await hand.say(claim, session, "nine", first=9)

    first = await program.get("/api/tasks/t000/log", limit=2)
    rest = await program.get("/api/tasks/t000/log", after=first["next"])
    waiting = asyncio.create_task(program.get("/api/tasks/t000/log", after=rest["next"], wait_s=30))
    await eventually(lambda: "t000" in dashboard.server.swarm.wakeups._waiting, "the log is waited for")
    await hand.say(claim, session, "ten")

    assert [entry["text"] for entry in first["entries"]] == ["one", "two"]
    assert [(entry["kind"], entry["text"]) for entry in rest["entries"]] == [
        ("gap", "6 entries are not kept"),
        ("output", "nine"),
    ]
    assert [entry["text"] for entry in (await waiting)["entries"]] == ["ten"]
    assert not rest["ended"]
    await hand.finish(claim)
    assert await program.get("/api/tasks/t000/log", after=(await waiting)["next"]) == {
        "entries": [],
        "next": (await waiting)["next"],
        "ended": True,
    }
    assert len((await program.get("/api/tasks/t000/log", tail=1))["entries"]) == 1
    assert (await program.get("/api/tasks/t000/log", role="validator"))["entries"] == []
    texts = [entry["text"] for entry in first["entries"] + rest["entries"]]
    wanted = texts[-1].upper()
    found = await program.get("/api/tasks/t000/log", q=wanted, tail=1)
    assert [entry["text"] for entry in found["entries"]] == [text for text in texts if text.upper() == wanted]
    assert (await program.get("/api/tasks/t000/log", q="nobody printed this"))["entries"] == []


async def test_events_are_read_on_from_their_number(dashboard: Web) -> None:
    await add(dashboard, *some(3))
    program = dashboard.program()

    first = await program.get("/api/log", limit=2)
    rest = await program.get("/api/log", after=first["next"])
    of_one = await program.get("/api/log", task="t001")

    seqs = [event["seq"] for event in (*first["events"], *rest["events"])]
    assert seqs == list(range(1, len(seqs) + 1))
    assert (await program.get("/api/log", after=rest["next"])) == {"events": [], "next": rest["next"]}
    assert {event["task"] for event in of_one["events"]} == {"t001"}


async def test_the_graph_shows_tasks_and_of_very_many_their_phases(
    dashboard: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(
        dashboard,
        TaskDefinition(task_id="a", phase="one"),
        TaskDefinition(task_id="b", phase="two", dependencies=["a"]),
        TaskDefinition(task_id="c", phase="two", dependencies=["a", "b"]),
        TaskDefinition(task_id="d", dependencies=["c"]),
    )
    program = dashboard.program()

    whole = await program.get("/api/graph")
    two = await program.get("/api/graph", phase="two")
    monkeypatch.setattr("swarmd.web.api.charts.MAX_NODES", 3)
    phases = await program.get("/api/graph")

    assert [(node["id"], node["phase"], node["status"]) for node in whole["nodes"]] == [
        ("a", "one", "not_started"), ("b", "two", "blocked"), ("c", "two", "blocked"), ("d", None, "blocked"),
    ]  # fmt: skip
    assert whole["edges"] == [["a", "b"], ["a", "c"], ["b", "c"], ["c", "d"]]
    assert (two["edges"], len(two["nodes"])) == ([["b", "c"]], 2)
    assert phases["phases"] == [
        {"phase": "one", "counts": {"not_started": 1}},
        {"phase": "two", "counts": {"blocked": 2}},
        {"phase": None, "counts": {"blocked": 1}},
    ]
    assert sorted(phases["edges"], key=str) == [["one", "two", 2], ["two", None, 1]]


async def test_sessions_and_throughput_are_reported_for_charts(dashboard: Web) -> None:
    await add(dashboard, *some(3, max_retries=0))
    hand, program = GrpcWorker(dashboard.server.client()), dashboard.program()
    await hand.work()
    await hand.work("failed", error="no")
    await hand.start(await hand.claim())

    done = await program.get("/api/throughput", minutes=5)
    bars = (await program.get("/api/timeline"))["sessions"]

    assert len(done["buckets"]) == 60
    assert [sum(bucket[kind] for bucket in done["buckets"]) for kind in ("completed", "failed")] == [1, 1]
    medians = [bucket["builder_median_s"] for bucket in done["buckets"] if bucket["completed"]]
    assert all(median is not None and 0 <= median < 60 for median in medians)
    assert [(bar["task"], bar["status"], bar["ended_at"] is None) for bar in bars] == [
        ("t000", "completed", False), ("t001", "failed", False), ("t002", None, True),
    ]  # fmt: skip
    kinds = ("tasks_completed", "tasks_failed")
    assert [sum(bucket[kind] for bucket in done["buckets"]) for kind in kinds] == [1, 1]
    early = await program.get("/api/timeline", since="2001-01-01", until="2001-01-02T00:00:00Z")
    assert early == {"sessions": []}


async def test_costs_are_summed_by_what_is_asked_for(dashboard: Web) -> None:
    await add(
        dashboard,
        *some(1, phase="plan"),
        TaskDefinition(task_id="u", phase="build"),
        TaskDefinition(task_id="v", phase="build"),
    )
    hand, program = GrpcWorker(dashboard.server.client()), dashboard.program()
    for cost in ("0.25", "1.5", ""):
        claim = await hand.claim()
        await hand.say(claim, await hand.start(claim), "x", cost=cost)
        await hand.finish(claim)

    async def groups(**query: Any) -> list[tuple[str, int, int, str | None]]:
        found = (await program.get("/api/costs", **query))["groups"]
        return [(row["name"], row["sessions"], row["unpriced"], row["usage"]["cost"]) for row in found]

    assert await groups() == [("build", 2, 1, "1.5"), ("plan", 1, 0, "0.25")]
    assert await groups(by="role") == [("builder", 3, 1, "1.75")]
    assert await groups(by="worker") == [(hand.name, 3, 1, "1.75")]
    [today] = await groups(by="day")
    [ahead] = await groups(by="day", utc_offset_min=1_440)
    assert date.fromisoformat(ahead[0]) - date.fromisoformat(today[0]) == timedelta(days=1)
    assert await groups(by="day", since="2999-01-01") == []


async def test_an_attempt_that_is_retried_ends_no_task_and_counts_for_its_time(dashboard: Web) -> None:
    await add(dashboard, *some(2, max_retries=1))
    hand, program = GrpcWorker(dashboard.server.client()), dashboard.program()
    await hand.work("failed", error="no")
    await hand.work()

    buckets = (await program.get("/api/throughput", minutes=5))["buckets"]
    assert sum(bucket["failed"] for bucket in buckets) == 1
    assert sum(bucket["tasks_failed"] for bucket in buckets) == 0
    tasks = {task["id"]: task for task in (await program.get("/api/tasks"))["tasks"]}
    assert tasks["t000"]["took_s"] > 0
    assert {task["took_s"] is None for task in tasks.values() if task["attempt"] == 0} <= {True}
    longest = await program.get("/api/tasks", sort="took", order="desc", limit=1)
    assert longest["tasks"][0]["took_s"] == max(task["took_s"] or 0 for task in tasks.values())


async def test_probes_and_scrapers_find_their_routes(dashboard: Web) -> None:
    await add(dashboard, *some(2))

    assert (await dashboard.http.get("/healthz")).json() == {"ok": True}
    assert (await dashboard.http.get("/readyz")).json() == {"ready": True, "why": ""}
    assert (await dashboard.http.get("/metrics")).status_code == 401
    viewer = dashboard.program(await dashboard.token("viewer"))
    figures = await dashboard.http.get("/metrics", headers=viewer.headers)
    assert 'swarm_tasks{status="not_started"} 2.0' in figures.text
    assert figures.headers["content-type"].startswith("text/plain")
    dashboard.server.swarm.db.failed.set()
    refused = await dashboard.http.get("/readyz")
    assert (refused.status_code, refused.json()["ready"]) == (503, False)
