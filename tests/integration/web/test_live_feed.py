"""The live feed: no event is missed or sent twice, whenever subscribers come, go, sleep or fall behind."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from support.grpc_worker import RECEIPT, GrpcWorker
from support.server import Server
from support.waiting import eventually
from support.web import Watcher, Web, web
from swarmd.web.live import broadcaster, frames


async def add(server: Server, *task_ids: str, **fields: Any) -> None:
    await server.client().add(*(TaskDefinition(task_id=task_id, **fields) for task_id in task_ids))


class Page:
    """A page's state after the frames: the tasks that it knows and every event number that it got."""

    def __init__(self) -> None:
        self.tasks: dict[str, Any] = {}
        self.seqs: list[int] = []
        self.seq = -1
        self.resyncs: list[str] = []

    def apply(self, frame: Any) -> None:
        match frame["type"]:
            case "snapshot":
                self.seq = frame["seq"]
            case "delta":
                assert frame["from"] == self.seq, "no hole and no overlap"
                self.seq = frame["to"]
                self.seqs += [event["seq"] for event in frame["events"]]
                self.tasks |= {task["id"]: task for task in frame["tasks"]}
            case "resync":
                self.resyncs.append(frame["reason"])

    async def follow(self, watcher: Watcher, to: int) -> None:
        while self.seq < to:
            self.apply(await watcher.frame())


async def last_seq(dashboard: Web) -> int:
    return int((await dashboard.program().get("/api/status"))["last_event_seq"])


@pytest.mark.slow
async def test_a_snapshot_comes_first_then_deltas(dashboard: Web) -> None:
    await add(dashboard.server, "a", "b", max_retries=0)
    hand = GrpcWorker(dashboard.server.client(), slots=1)
    await hand.work("failed", error="no")
    claim = await hand.claim()
    session = await hand.start(claim)

    async with dashboard.watch() as watcher:
        snapshot = await watcher.frame()
        await hand.say(claim, session, "working", cost="0.25")
        while (pulse := await watcher.frame("pulse"))["usage"]["b"]["cost"] is None:
            pass
        await hand.finish(claim)
        delta = await watcher.frame("delta")

    assert snapshot["type"] == "snapshot"
    assert snapshot["seq"] == snapshot["status"]["last_event_seq"]
    assert [task["id"] for task in snapshot["running"]] == ["b"]
    assert [task["id"] for task in snapshot["attention"]] == ["a"]
    assert [worker["name"] for worker in snapshot["workers"]] == ["w1"]
    assert pulse["usage"] == {"b": {"input_tokens": 10, "output_tokens": 2, "cost": "0.25"}}
    assert delta["from"] == snapshot["seq"]
    assert [(task["id"], task["status"]) for task in delta["tasks"]] == [("b", "completed")]
    assert delta["status"]["counts"]["completed"] == 1
    assert delta["workers"][0]["running"] == 0


async def test_a_delta_has_the_dependents_of_an_ended_task_too(dashboard: Web) -> None:
    await add(dashboard.server, "a", "b")
    await add(dashboard.server, "c", dependencies=["a", "b"])
    page = Page()

    async with dashboard.watch() as watcher:
        page.apply(await watcher.frame("snapshot"))
        await GrpcWorker(dashboard.server.client()).work()
        await page.follow(watcher, await last_seq(dashboard))

    assert (page.tasks["c"]["status"], page.tasks["c"]["blocked_by"]) == ("blocked", ["b"])


async def test_a_kill_and_its_receipt_arrive_without_a_request(dashboard: Web) -> None:
    await add(dashboard.server, "a")
    hand, page = GrpcWorker(dashboard.server.client()), Page()
    claim = await hand.claim()
    await hand.start(claim)

    async with dashboard.watch() as watcher:
        page.apply(await watcher.frame("snapshot"))
        await dashboard.program().post("/api/tasks/a/kill", expect=202)
        await page.follow(watcher, await last_seq(dashboard))
        assert page.tasks["a"]["status"] == "killing"
        await hand.finish(claim, "stopped", kill_receipt=RECEIPT)
        await page.follow(watcher, await last_seq(dashboard))

    assert page.tasks["a"]["kill_receipt"]["terminated"] == 3


@pytest.mark.slow
async def test_under_load_a_page_gets_every_event_once_and_ends_in_the_servers_state(
    dashboard: Web,
) -> None:
    program, page = dashboard.program(), Page()

    hand = GrpcWorker(dashboard.server.client(), slots=4)

    async with dashboard.watch() as watcher:
        page.apply(await watcher.frame("snapshot"))
        begin = page.seq
        for batch in range(6):
            # Fewer events than one delta may list, even if a single delta has them all.
            await add(dashboard.server, *(f"t{batch}-{n}" for n in range(10)))
            for _ in range(10):
                await hand.work()
            await page.follow(watcher, end := await last_seq(dashboard))

    assert page.seqs == list(range(begin + 1, end + 1))
    listed = await program.get("/api/tasks", limit=500)
    assert page.tasks == {task["id"]: task for task in listed["tasks"]}


@pytest.mark.slow
async def test_a_subscriber_that_reconnects_resumes_over_a_restart_too(tmp_path: Path) -> None:
    page = Page()
    async with web(tmp_path) as first:
        async with first.watch() as watcher:
            page.apply(await watcher.frame("snapshot"))
        await add(first.server, "a")
        async with first.watch(f"/ws?after={page.seq}") as watcher:
            page.apply(await watcher.frame())
        assert list(page.tasks) == ["a"]
        epoch = (await first.program().get("/api/status"))["epoch"]
    async with web(tmp_path) as second:
        await add(second.server, "b")
        async with second.watch(f"/ws?after={page.seq}&epoch={epoch}") as watcher:
            begin = page.seq
            page.apply(await watcher.frame())

        assert set(page.tasks) == {"a", "b"}
        assert page.seqs[-1] == page.seq == await last_seq(second) > begin
        assert page.seqs == list(range(page.seqs[0], page.seq + 1))
        # A position of another history can't be resumed.
        for path in (f"/ws?after={page.seq + 1}", f"/ws?after={page.seq}&epoch={epoch + 1}"):
            async with second.watch(path) as watcher:
                assert (await watcher.frame())["type"] == "snapshot"
        async with second.watch(f"/ws?after={page.seq}") as watcher:
            nothing_new = await watcher.frame()
    assert (nothing_new["from"], nothing_new["to"], nothing_new["events"]) == (page.seq, page.seq, [])


async def test_too_many_changes_at_once_become_a_new_snapshot(
    dashboard: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MAX_TASKS", 20)
    page = Page()

    async with dashboard.watch() as watcher:
        page.apply(await watcher.frame("snapshot"))
        await add(dashboard.server, *(f"t{n}" for n in range(30)))
        await page.follow(watcher, await last_seq(dashboard))
        await add(dashboard.server, "one-more")
        await page.follow(watcher, await last_seq(dashboard))

    assert page.resyncs == ["too much has changed at once"]
    assert list(page.tasks) == ["one-more"]


async def test_removed_tasks_lead_to_a_new_snapshot(dashboard: Web) -> None:
    await add(dashboard.server, "old")

    async with dashboard.watch() as watcher:
        await watcher.frame("snapshot")
        await dashboard.server.client().add(TaskDefinition(task_id="new"), clear=True)
        await watcher.frame("resync")
        snapshot = await watcher.frame()

    assert (snapshot["type"], snapshot["status"]["total"]) == ("snapshot", 1)


@contextlib.asynccontextmanager
async def unread(dashboard: Web) -> AsyncIterator[None]:
    """Opens the feed and reads no byte of it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as viewer:
        viewer.setblocking(False)
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        await loop.sock_connect(viewer, dashboard.address)
        head = (
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        )
        token = f"Authorization: Bearer {dashboard.server.token}\r\n\r\n"
        await loop.sock_sendall(viewer, head + token.encode())
        assert await loop.sock_recv(viewer, 12) == b"HTTP/1.1 101"
        yield


@pytest.mark.slow
async def test_d12_a_subscriber_that_never_reads_delays_nobody(
    dashboard: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmd.web.live.subscriber.MAX_CHARS", 10_000)
    long = "x" * 400
    await dashboard.server.client().add(
        *(TaskDefinition(task_id=f"t{n:04}", name=long, max_retries=0) for n in range(300))
    )
    hand, page = GrpcWorker(dashboard.server.client(), slots=8), Page()

    async with unread(dashboard), dashboard.watch() as watcher:
        page.apply(await watcher.frame("snapshot"))
        for number in range(60):
            # Words of their own: one fault in several tasks would pause the runner.
            word = chr(ord("a") + number // 26) + chr(ord("a") + number % 26)
            await hand.work("failed", error=f"{word} {long}")
        await page.follow(watcher, await last_seq(dashboard))

    assert page.resyncs == []
    assert sum(task["status"] == "failed" for task in page.tasks.values()) == 60


@pytest.mark.slow
async def test_a_hundred_subscribers_cost_the_database_what_one_costs_and_none_cost_nothing(
    dashboard: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = frames.Frames.read

    def counted(self: frames.Frames, tx: Any, wanted: frames.ReadRequest) -> frames.FeedRead:
        reads.append("round")
        return read(self, tx, wanted)

    monkeypatch.setattr(frames.Frames, "read", counted)
    await add(dashboard.server, "a")
    assert reads == []

    async with contextlib.AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(dashboard.watch()) for _ in range(100)]
        for watcher in watchers:
            await watcher.frame("snapshot")
        reads.clear()
        await add(dashboard.server, "b")
        deltas = [await watcher.frame("delta") for watcher in watchers]
        assert len(reads) < 10
    assert len({json.dumps(frame) for frame in deltas}) == 1
    await eventually(lambda: _quiet(dashboard), "no subscriber is left")
    reads.clear()
    for _ in range(3):
        await add(dashboard.server, f"c{len(reads)}")
    assert reads == []


def _quiet(dashboard: Web) -> bool:
    """Returns True if the broadcaster waits for subscribers alone."""
    return "" not in dashboard.server.swarm.wakeups._waiting


async def test_a_failed_poll_does_not_end_the_feed(dashboard: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcaster, "KEEPALIVE_S", 0.2)
    read, failures = frames.Frames.read, [RuntimeError("once")]

    def failing(self: frames.Frames, tx: Any, wanted: frames.ReadRequest) -> frames.FeedRead:
        if failures:
            raise failures.pop()
        return read(self, tx, wanted)

    monkeypatch.setattr(frames.Frames, "read", failing)

    with capture_logs() as logs:
        async with dashboard.watch() as watcher:
            assert (await watcher.frame())["type"] == "snapshot"
    assert [line["event"] for line in logs] == ["a round of the live feed failed"]


async def test_a_token_has_so_many_feeds_and_no_more(dashboard: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcaster, "MAX_PER_OWNER", 1)
    url = dashboard.url.replace("http", "ws") + "/ws"

    async with dashboard.watch() as first:
        await first.frame("snapshot")
        with pytest.raises(InvalidStatus) as caught:
            async with connect(url, additional_headers=dashboard.program().headers):
                pass
        other = dashboard.program(await dashboard.token("viewer"))
        async with dashboard.watch(caller=other) as second:
            await second.frame("snapshot")

    assert caught.value.response.status_code == 429
    assert b"TOO_MANY_STREAMS" in (caught.value.response.body or b"")


async def test_a_log_that_is_waited_for_is_not_answered_to_a_revoked_token(dashboard: Web) -> None:
    await add(dashboard.server, "a")
    token = await dashboard.token("viewer")
    worker = GrpcWorker(dashboard.server.client())
    claim = await worker.claim()
    session = await worker.start(claim)
    viewer = dashboard.program(token)
    waiting = asyncio.create_task(viewer.get("/api/tasks/a/log", wait_s=30, expect=401))
    await eventually(lambda: "a" in dashboard.server.swarm.wakeups._waiting, "the log is waited for")

    await dashboard.server.client().call("RevokeToken", pb.RevokeTokenRequest(token_id=token.split("_")[2]))
    await worker.say(claim, session, "secret")

    assert (await waiting)["error"]["reason"] == "TOKEN_INVALID"


@pytest.mark.slow
async def test_a_revoked_token_gets_no_more_frames(dashboard: Web) -> None:
    token = await dashboard.token("viewer")
    browser = await dashboard.browser(token)
    cookie = {"Cookie": browser.headers["Cookie"], "Origin": dashboard.url}
    protocols: Any = [f"csrf.{browser.headers['X-Swarm-CSRF']}"]

    async with (
        dashboard.watch(caller=dashboard.program(token)) as program,
        connect(
            dashboard.url.replace("http", "ws") + "/ws", additional_headers=cookie, subprotocols=protocols
        ) as page,
    ):
        await program.frame("snapshot")
        await page.recv()
        revoke = pb.RevokeTokenRequest(token_id=token.split("_")[2])
        await dashboard.server.client().call("RevokeToken", revoke)
        for one in (program.socket, page):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(one.wait_closed(), 30)
            assert one.close_code == 1008
    await browser.get("/api/me", expect=401)
