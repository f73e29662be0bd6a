"""The Python client against a real server: its verbs, its errors, its waits, and its blocking twin."""

import asyncio
import gc
import inspect
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from grpc.aio import UnaryStreamCall

from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm_client import (
    ApprovalPoint,
    HoldKind,
    HoldRefused,
    InvalidStatus,
    InvalidTasks,
    Misconfigured,
    SessionRole,
    Swarm,
    SwarmSync,
    TaskAmbiguous,
    TaskDefinition,
    TaskFileText,
    TaskNotFound,
    TaskStatus,
    TokenInvalid,
    Unreachable,
    WaitTimedOut,
    WorkerConnected,
)
from contract.repository import ROOT
from support.grpc_worker import RECEIPT, GrpcWorker
from support.server import Server, server
from support.waiting import eventually


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Server]:
    """A server of its own."""
    async with server(tmp_path) as found:
        yield found


@pytest.fixture
async def swarm(served: Server) -> AsyncIterator[Swarm]:
    """A client of that server."""
    async with Swarm.connect(served.address, token=served.token) as found:
        yield found


def task(task_id: str, *dependencies: str) -> TaskDefinition:
    return TaskDefinition(task_id=task_id, description=f"Do {task_id}.", dependencies=dependencies)


async def test_definitions_come_back_as_they_were_sent(swarm: Swarm) -> None:
    sent = TaskDefinition(
        task_id="a",
        description="Do it.",
        labels={"gpu": "yes"},
        builder_timeout=timedelta(minutes=90),
        max_retries=0,
        approve=ApprovalPoint.BEFORE_START,
    )

    added = await swarm.add([sent])

    assert (added.added, added.unchanged) == (1, 0)
    found = await swarm.get("a")
    assert found.definition == sent
    assert found.task.status is TaskStatus.HELD
    assert [planned.definition async for planned in swarm.export()] == [sent]


@pytest.mark.parametrize(
    "plan",
    [
        {"tasks": [{"id": "a", "description": "Do it."}]},
        [{"id": "a", "description": "Do it."}],
        TaskFileText("tasks:\n  - id: a\n    description: Do it.\n"),
    ],
    ids=["a mapping", "mappings of tasks", "text"],
)
async def test_a_plan_may_have_the_forms_of_a_task_file(swarm: Swarm, plan: object) -> None:
    await swarm.add(plan)  # type: ignore[arg-type]  # each is one of the forms

    assert (await swarm.get("a")).definition == TaskDefinition(task_id="a", description="Do it.")


async def test_a_plan_may_be_a_file(swarm: Swarm, tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text("tasks:\n  - id: a\n    description: Do it.\n")

    assert (await swarm.add(file, dry_run=True)).added == 1
    assert [found async for found in swarm.list()] == []
    assert (await swarm.add(str(file))).added == 1


async def test_faults_of_a_plan_name_their_lines(swarm: Swarm) -> None:
    with pytest.raises(InvalidTasks) as own:
        await swarm.add(TaskFileText("tasks:\n  - id: a\n    priority: soon\n", "plan.yaml"))
    with pytest.raises(InvalidTasks) as servers:
        await swarm.add(TaskFileText("tasks:\n  - id: a\n    dependencies: [b]\n", "plan.yaml"))

    assert [fault.place for fault in own.value.violations] == ["plan.yaml:3"]
    assert [fault.place for fault in servers.value.violations] == ["plan.yaml:3"]
    assert "plan.yaml:3" in str(servers.value)
    with pytest.raises(Misconfigured, match="check the path"):
        await swarm.add("no-such-file.yaml")
    with pytest.raises(InvalidTasks, match="is no ApprovalPoint; give one of before-start"):
        await swarm.add([TaskDefinition(task_id="a", approve="sometimes")])  # type: ignore[arg-type]  # wrong


async def test_each_reason_is_an_error_with_its_data(swarm: Swarm, served: Server) -> None:
    await swarm.add([task("task-1"), task("task-2")])

    with pytest.raises(TaskNotFound) as unknown:
        await swarm.get("nothing")
    with pytest.raises(TaskAmbiguous) as ambiguous:
        await swarm.kill("task")
    with pytest.raises(InvalidStatus) as waiting:
        await swarm.land("task-1")
    with pytest.raises(HoldRefused, match="waits for no answer"):
        await swarm.answer("task-1", "yes")
    with pytest.raises(TokenInvalid):
        async with Swarm.connect(served.address, token="swt1_operator_wrong_one"):
            pass

    assert (unknown.value.task_id, unknown.value.reason) == ("nothing", "TASK_NOT_FOUND")
    assert ambiguous.value.task_id == "task"
    assert waiting.value.task_id == "task-1"


async def test_a_server_that_does_not_answer_is_reported_at_once() -> None:
    with pytest.raises(Unreachable, match="no swarmd answers at 127"):
        async with Swarm.connect("127.0.0.1:1", token="swt1_viewer_any_thing"):
            pass


async def test_a_wrong_setting_is_reported_before_any_call() -> None:
    with pytest.raises(Misconfigured, match="is not a HOST:PORT address"):
        Swarm.connect("localhost", token="swt1_viewer_any_thing")
    with pytest.raises(Misconfigured, match="tls_ca_fingerprint"):
        Swarm.connect("localhost:1", token="swt1_viewer_any_thing", tls_ca_fingerprint="md5:00")


async def test_a_list_is_fetched_page_by_page(swarm: Swarm, served: Server) -> None:
    await swarm.add([task(f"t{number:04}") for number in range(1_500)])

    assert [found.task_id async for found in swarm.list()] == [f"t{number:04}" for number in range(1_500)]
    assert [found.task_id async for found in swarm.list(search="t149", statuses=["not_started"])] == [
        f"t149{digit}" for digit in range(10)
    ]
    with pytest.raises(ValueError, match="'done' is no TaskStatus; give one of blocked, not_started"):
        [found async for found in swarm.list(statuses=["done"])]


async def test_wait_returns_when_the_tasks_have_ended(swarm: Swarm, served: Server) -> None:
    await swarm.add([task("a"), task("b", "a"), task("c")])
    waiting = asyncio.ensure_future(swarm.wait(["b", "a"], timeout_s=30))
    worker = GrpcWorker(served.client(), slots=2)
    first, second = await worker.claim(), await worker.claim()

    for claim in (first, second):
        await worker.start(claim)
        await worker.finish(claim)
    await worker.work()

    assert [(found.task_id, found.status) for found in await waiting] == [
        ("b", TaskStatus.COMPLETED),
        ("a", TaskStatus.COMPLETED),
    ]
    assert len(await swarm.wait(timeout_s=30)) == 3


async def test_a_wait_that_is_over_names_what_has_not_ended(swarm: Swarm) -> None:
    await swarm.add([task("a"), task("b", "a")])

    with pytest.raises(WaitTimedOut, match="2 tasks have not ended within 0") as over:
        await swarm.wait(["b", "a"], timeout_s=0.1)
    with pytest.raises(TimeoutError):
        await swarm.wait(timeout_s=0.1)

    assert over.value.pending == ["a", "b"]


async def test_a_kill_returns_the_receipt_of_the_processes(swarm: Swarm, served: Server) -> None:
    await swarm.add([task("a"), task("b")])
    worker = GrpcWorker(served.client())
    claim = await worker.claim()
    await worker.start(claim)
    killing = asyncio.ensure_future(swarm.kill("a", cause="a test", timeout_s=30))
    await eventually(lambda: _status(swarm, "a", TaskStatus.KILLING), "the kill is ordered")

    await worker.finish(claim, "stopped", kill_receipt=RECEIPT)

    killed = await killing
    assert (killed.task.status, killed.task.cause) == (TaskStatus.KILLED, "a test")
    assert killed.receipt is not None
    assert (killed.receipt.processes_found, killed.receipt.survivors) == (3, 0)
    assert (await swarm.kill("b")).receipt is None
    assert (await swarm.retry("b")).attempt == 2


async def test_an_emergency_stop_gives_receipts_as_they_arrive(swarm: Swarm, served: Server) -> None:
    await swarm.add([task("a"), task("b")])
    worker = GrpcWorker(served.client(), slots=2)
    claims = [await worker.claim(), await worker.claim()]
    for claim in claims:
        await worker.start(claim)

    stop = await swarm.emergency_stop(cause="a test")

    assert sorted(stop.killing) == ["a", "b"]
    receipts = stop.receipts(timeout_s=30)
    arrived = []
    for claim in claims:
        await worker.finish(claim, "stopped", kill_receipt=RECEIPT)
        arrived.append(await anext(receipts))
    assert [found async for found in receipts] == []
    assert [found.task.task_id for found in arrived] == [claim.task.task_id for claim in claims]
    assert all(found.receipt is not None for found in arrived)
    assert set((await swarm.resume(requeue=True)).requeued) == {"a", "b"}


async def test_a_question_is_found_and_answered(swarm: Swarm, served: Server) -> None:
    await swarm.add([task("a")])
    report = session_pb2.BuilderResult(status="blocked", questions=[session_pb2.Question(text="Which port?")])
    await GrpcWorker(served.client()).work(
        "failed", failure_class=task_pb2.FAILURE_CLASS_BUILDER_BLOCKED, builder_result=report
    )

    [entry] = (await swarm.inbox()).entries
    assert entry.task.hold is not None
    assert (entry.task.hold.kind, entry.task.hold.text) == (HoldKind.QUESTION, "Which port?")
    await swarm.note("a", "Only below 1024.")
    answered = await swarm.answer("a", "80")

    assert (answered.hold, answered.attempt) == (None, 2)
    found = await swarm.get("a")
    assert (found.holds[0].answer, found.notes[0].text) == ("80", "Only below 1024.")
    with pytest.raises(HoldRefused, match="80"):
        await swarm.answer("a", "8080")


async def test_approvals_rejections_budgets_and_dependencies(swarm: Swarm) -> None:
    gated = TaskDefinition(task_id="a", approve=ApprovalPoint.BEFORE_START, max_cost="1")
    await swarm.add([gated, TaskDefinition(task_id="b", approve=ApprovalPoint.BEFORE_START), task("c")])

    assert (await swarm.budget("a", add_cost=Decimal("0.5"))).max_cost == "1.50"
    assert (await swarm.approve("a")).status is TaskStatus.NOT_STARTED
    rejected = await swarm.reject("b", "Not now.")
    assert rejected.task.status is TaskStatus.KILLED
    assert (await swarm.add_dependency("c", "a")).blocked_by == ("a",)
    assert (await swarm.remove_dependency("c", "a")).blocked_by == ()
    assert (await swarm.hold("c", cause="later")).status is TaskStatus.HELD
    assert (await swarm.unhold("c")).status is TaskStatus.NOT_STARTED


async def test_the_log_is_followed_to_the_end_of_the_task(swarm: Swarm, served: Server) -> None:
    await swarm.add([task("a")])
    worker = GrpcWorker(served.client())
    claim = await worker.claim()
    session_id = await worker.start(claim)
    await worker.say(claim, session_id, "one", "two")
    lines = swarm.logs("a", follow=True)

    assert [(await anext(lines)).text, (await anext(lines)).text] == ["one", "two"]
    await worker.say(claim, session_id, "three")
    assert (await anext(lines)).text == "three"
    await worker.end(claim, session_id)
    await worker.finish(claim)

    assert [line.text async for line in lines] == []
    [last] = [line async for line in swarm.logs("a", tail=1)]
    assert (last.text, last.role, last.attempt) == ("three", SessionRole.BUILDER, 1)
    with pytest.raises(TaskNotFound):
        await anext(swarm.logs("ghost", follow=True))


async def test_a_watch_goes_on_where_a_cut_ended_it(tmp_path: Path) -> None:
    async with server(tmp_path) as first:
        address = first.address
        swarm = Swarm.connect(address, token=first.token)
        await swarm.add([task("a")])
        events = swarm.watch(after=0)
        seen = [await anext(events)]
        while seen[-1].task_id != "a":
            seen.append(await anext(events))
        following = asyncio.ensure_future(anext(events))
    async with server(tmp_path, listen=address):
        # The call is repeated while the server is away.
        assert (await swarm.status()).epoch == 1
        await swarm.add([task("b")])
        seen.append(await following)
        while seen[-1].task_id != "b":
            seen.append(await anext(events))
    await events.aclose()
    await swarm.close()

    assert [event.seq for event in seen] == list(range(seen[0].seq, seen[0].seq + len(seen)))


async def test_cancelling_ends_the_call(swarm: Swarm) -> None:
    await swarm.add([task("a")])
    waiting = asyncio.ensure_future(swarm.wait(["a"]))
    watching = asyncio.ensure_future(anext(swarm.watch()))
    await eventually(lambda: len(_streams()) == 2, "both streams are open")

    for each in (waiting, watching):
        each.cancel()
    await asyncio.gather(waiting, watching, return_exceptions=True)

    await eventually(lambda: not _streams(), "no stream is left")


async def test_a_backup_is_the_database(swarm: Swarm) -> None:
    await swarm.add([task("a")])

    copy = b"".join([chunk async for chunk in swarm.backup()])

    assert copy.startswith(b"SQLite format 3")


async def test_the_blocking_twin_does_the_same(served: Server) -> None:
    def program() -> list[str]:
        with SwarmSync.connect(served.address, token=served.token) as swarm:
            swarm.add([task("a"), task("b", "a")])
            with pytest.raises(WaitTimedOut):
                swarm.wait(["a"], timeout_s=0.1)
            swarm.pause(cause="a test")
            swarm.kill("b")
            events = swarm.watch(after=0)
            kinds = [str(next(events).kind) for _ in range(3)]
            events.close()
            return [*kinds, *(str(found.status) for found in swarm.list())]

    assert (await asyncio.to_thread(program))[-2:] == ["not_started", "killed"]


def test_both_clients_have_the_same_verbs() -> None:
    def verbs(kind: type) -> list[tuple[str, list[str]]]:
        names = sorted(name for name in dir(kind) if not name.startswith("_"))
        return [(name, list(inspect.signature(getattr(kind, name)).parameters)) for name in names]

    assert verbs(Swarm) == verbs(SwarmSync)


async def test_the_settings_are_those_of_swarmctl(
    served: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SWARM_SERVER", served.address)
    monkeypatch.setenv("SWARM_TOKEN_FILE", str(tmp_path / "token"))

    async with Swarm.connect() as swarm:
        assert (await swarm.workers()) == ()


async def _status(swarm: Swarm, task_id: str, status: TaskStatus) -> bool:
    return (await swarm.get(task_id)).task.status is status


def _streams() -> list[object]:
    """The open calls of streams in this process."""
    return [found for found in gc.get_objects() if isinstance(found, UnaryStreamCall) and not found.done()]


CHECKS: dict[str, Callable[[Any], bool]] = {
    "get_task": lambda found: found.task.task_id == "a",
    "get_all_tasks": lambda found: [task.task_id for task in found] == ["b"],
    "get_blocked_tasks": lambda found: found == [("b", ("a",))],
    "get_tasks_summary": lambda found: found["blocked"] == 1,
    "add_task_dependency": lambda found: found.blocked_by == ("a",),
    "kill_task_sessions": lambda found: found.task.status == "killed",
    "get_all_workers": lambda found: [worker.name for worker in found] == ["w1"],
    "get_worker": lambda found: found[0].slots == 1,
    "find_dead_workers": lambda found: found == [],
    "find_orphaned_tasks": lambda found: [task.task_id for task in found] == ["a"],
    "reset_orphaned_tasks": lambda found: isinstance(found, WorkerConnected),
    "get_task_log": lambda found: {event.task_id for event in found} == {"a"},
    "get_recent_log": lambda found: found[0].seq == 1,
}


async def test_each_row_of_the_table_for_the_predecessor_does_what_it_says(
    swarm: Swarm, served: Server
) -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+)` \|$", (ROOT / "docs/python.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == list(CHECKS)
    await swarm.add([task("a"), task("b", "a"), task("c"), task("d")])
    worker = GrpcWorker(served.client())
    await worker.start(await worker.claim())

    for name, expression in rows:
        space: dict[str, Any] = {}
        exec(f"async def row(swarm):\n    return {expression}", space)
        try:
            found = await space["row"](swarm)
        except WorkerConnected as refused:
            found = refused
        assert CHECKS[name](found), (name, found)
