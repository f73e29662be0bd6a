"""Hostile pages and programs: requests that a browser can be made to send change nothing."""

import asyncio
import base64
import contextlib
import json
import socket
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from support.grpc_worker import GrpcWorker
from support.web import Web
from swarmd.domain.model import Role
from swarmd.web.app import OPENAPI_PATH
from swarmd.web.http.responses import HEADERS
from swarmd.web.http.route import Route
from swarmd.web.routes import ROUTES
from swarmd.wire.roles import OPERATOR_SERVICE

PAGES = ("/", "/login", OPENAPI_PATH)
POSTS = [route for route in ROUTES if route.method == "POST"]
FOREIGN_NAMES = ("evil.test", "evil.test:8765", "127.0.0.1.evil.test", "127.0.0.1@evil.test", "10.0.0.1", "")
FOREIGN = ("http://evil.test", "null", "http://127.0.0.1:1", "https://localhost", "file://")
# Names that try to make a page run a script.
XSS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><script>alert(1)</script>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "\u2028alert(1)\u2029",
    "\x1b]52;c;YWxlcnQ=\x07",
    "\u202egnp.exe",
)


def path_of(route: Route) -> str:
    return route.path.replace("{id}", "a").replace("{name}", "w1")


async def ask(dashboard: Web, route: Route, headers: dict[str, str], **more: Any) -> httpx.Response:
    if route.method == "POST" and not more:
        more = {"json": {}}
    return await dashboard.http.request(route.method, path_of(route), headers=headers, **more)


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["reason"])


async def refused_upgrade(dashboard: Web, *, status: int, path: str = "/ws", **options: Any) -> str:
    """Returns the reason with which the WebSocket is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(dashboard.url.replace("http", "ws") + path, **options):
            pass
    assert caught.value.response.status_code == status
    return str(json.loads(caught.value.response.body or b"")["error"]["reason"])


@pytest.mark.slow
async def test_every_route_refuses_every_name_but_its_own(dashboard: Web) -> None:
    program = dashboard.program()
    host, port = dashboard.address

    for name in FOREIGN_NAMES:
        for route in ROUTES:
            answer = await ask(dashboard, route, {**program.headers, "Host": name})
            assert (answer.status_code, reason(answer)) == (421, "HOST_REFUSED"), (name, route.path)
        for page in PAGES:
            answer = await dashboard.http.get(page, headers={"Host": name})
            assert answer.status_code == 421, (name, page)
    feed = connect("ws://evil.test/ws", host=host, port=port, additional_headers=program.headers)
    with pytest.raises(InvalidStatus, match="421"):
        await feed
    for name in (f"localhost:{port}", f"[::1]:{port}", f"LOCALHOST:{port}", "127.0.0.1:9"):
        assert (await dashboard.http.get("/healthz", headers={"Host": name})).status_code == 200


async def test_d13_no_route_but_probes_answers_a_stranger(dashboard: Web) -> None:
    open_routes = {"/login", "/healthz", "/readyz"}

    assert {route.path for route in ROUTES if not route.rpc} == open_routes
    for headers in (
        {},
        {"Authorization": "Bearer x"},
        {"Cookie": f"swarm-{dashboard.address[1]}=x"},
    ):
        for route in ROUTES:
            if route.path not in open_routes:
                answer = await ask(dashboard, route, headers | dashboard.origin)
                assert (answer.status_code, reason(answer)) == (401, "TOKEN_INVALID"), route.path
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert (
            await refused_upgrade(dashboard, status=401, additional_headers=headers, origin=dashboard.url)
            == "TOKEN_INVALID"
        )


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_do_what_the_one_table_says_and_nothing_else(dashboard: Web, role: Role) -> None:
    program = dashboard.program(await dashboard.token(role))

    for route in ROUTES:
        if route.rpc:
            answer = await ask(dashboard, route, program.headers)
            denied = answer.status_code == 403 and reason(answer) == "ROLE_DENIED"
            assert denied is (role not in OPERATOR_SERVICE[route.rpc]), route.path
    if role is Role.WORKER:
        refused = await refused_upgrade(dashboard, status=403, additional_headers=program.headers)
        assert refused == "ROLE_DENIED"


async def test_a_viewer_that_is_logged_in_sees_and_can_not_act(dashboard: Web) -> None:
    viewer = await dashboard.browser(await dashboard.token("viewer"))

    assert (await viewer.get("/api/me"))["role"] == "viewer"
    await viewer.get("/api/tasks")
    for route in POSTS:
        if route.rpc in ("", "GetSwarm"):
            continue
        refused = await viewer.post(path_of(route), expect=403)
        assert refused["error"]["reason"] == "ROLE_DENIED", route.path


@pytest.mark.slow
async def test_d13_a_login_acts_from_its_own_page_only(dashboard: Web) -> None:
    browser = await dashboard.browser()
    cookie, csrf = browser.headers["Cookie"], browser.headers["X-Swarm-CSRF"]
    full = {"Cookie": cookie, "X-Swarm-CSRF": csrf}

    for route in POSTS:
        for origin in FOREIGN:
            answer = await ask(dashboard, route, {**full, "Origin": origin})
            assert (answer.status_code, reason(answer)) == (403, "ORIGIN_REFUSED"), (route.path, origin)
        assert reason(await ask(dashboard, route, full)) == "ORIGIN_REFUSED", route.path
        for site in ("cross-site", "same-site"):
            answer = await ask(dashboard, route, {**full, **dashboard.origin, "Sec-Fetch-Site": site})
            assert reason(answer) == "ORIGIN_REFUSED", (route.path, site)
        if route.rpc:
            for token in ({}, {"X-Swarm-CSRF": "x" * 64}, {"X-Swarm-CSRF": ""}):
                answer = await ask(dashboard, route, {"Cookie": cookie, **dashboard.origin, **token})
                assert (answer.status_code, reason(answer)) == (403, "CSRF_REFUSED"), route.path
    assert (await browser.get("/api/status"))["mode"] == "running"


@pytest.mark.slow
async def test_a_cookie_alone_reads_nothing_but_who_it_is(dashboard: Web) -> None:
    """A browser sends the cookie to every port of its host, so another program there may have it."""
    browser = await dashboard.browser()
    stolen = {"Cookie": browser.headers["Cookie"]}

    for route in ROUTES:
        if route.rpc and route.path != "/api/me":
            for csrf in (
                {},
                {"X-Swarm-CSRF": "x" * 64},
                {"X-Swarm-CSRF": stolen["Cookie"].partition("=")[2]},
            ):
                answer = await ask(dashboard, route, {**stolen, **dashboard.origin, **csrf})
                assert (answer.status_code, reason(answer)) == (403, "CSRF_REFUSED"), route.path
    me = (await dashboard.http.get("/api/me", headers=stolen)).json()
    assert (me["role"], me["csrf"]) == ("operator", "")
    assert await browser.get("/api/tasks")
    assert (await browser.get("/api/me"))["csrf"] == browser.headers["X-Swarm-CSRF"]


async def test_a_csrf_token_that_another_program_got_first_ends_the_login(dashboard: Web) -> None:
    answer = await dashboard.http.get(await dashboard.link())
    stolen = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    dashboard.http.cookies.clear()
    taken = (await dashboard.http.get("/api/me", headers=stolen)).json()["csrf"]

    page = await dashboard.http.get("/api/me?login=new", headers=stolen)

    assert (page.status_code, reason(page)) == (401, "LOGIN_EXPIRED")
    thief = {**stolen, **dashboard.origin, "X-Swarm-CSRF": taken}
    assert (await dashboard.http.post("/api/pause", json={}, headers=thief)).status_code == 401


async def test_a_page_that_is_loaded_again_after_its_login_keeps_it(dashboard: Web) -> None:
    browser = await dashboard.browser()

    assert (await browser.get("/api/me?login=new"))["csrf"] == browser.headers["X-Swarm-CSRF"]
    await browser.get("/api/status")


async def test_d13_what_a_form_can_send_changes_nothing(dashboard: Web) -> None:
    browser = await dashboard.browser()
    forms: tuple[dict[str, Any], ...] = (
        {"data": {"cause": "x"}},
        {"content": '{"cause": "x"}', "headers": {"Content-Type": "text/plain"}},
        {"files": {"cause": b"x"}},
        {"content": b""},
    )

    for route in POSTS:
        for form in forms:
            headers = {**browser.headers, **form.get("headers", {})}
            answer = await dashboard.http.post(path_of(route), **{**form, "headers": headers})
            assert (answer.status_code, reason(answer)) == (415, "CONTENT_TYPE_REFUSED"), route.path
    assert (await browser.get("/api/status"))["mode"] == "running"


async def test_the_feed_opens_for_our_own_page_and_for_no_other(dashboard: Web) -> None:
    browser = await dashboard.browser()
    cookie = {"Cookie": browser.headers["Cookie"]}
    csrf: Any = ["swarm.v1", f"csrf.{browser.headers['X-Swarm-CSRF']}"]

    for origin in (*FOREIGN, None):
        assert (
            await refused_upgrade(
                dashboard, status=403, additional_headers=cookie, origin=origin, subprotocols=csrf
            )
            == "ORIGIN_REFUSED"
        )
        if origin:
            program = dashboard.program().headers
            assert (
                await refused_upgrade(dashboard, status=403, additional_headers=program, origin=origin)
                == "ORIGIN_REFUSED"
            )
    for protocols in (["swarm.v1"], ["swarm.v1", "csrf.wrong"], None):
        assert (
            await refused_upgrade(
                dashboard, status=403, additional_headers=cookie, origin=dashboard.url, subprotocols=protocols
            )
            == "CSRF_REFUSED"
        )
    async with connect(
        dashboard.url.replace("http", "ws") + "/ws",
        additional_headers=cookie,
        origin=Origin(dashboard.url),
        subprotocols=csrf,
    ) as socket:
        assert socket.subprotocol == "swarm.v1"
        assert json.loads(await socket.recv())["type"] == "snapshot"


async def test_every_answer_has_the_headers_that_bind_a_page(dashboard: Web) -> None:
    csp = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    answers = [await ask(dashboard, route, dashboard.program().headers) for route in ROUTES]
    answers += [await dashboard.http.get(page) for page in (*PAGES, "/nothing")]
    answers.append(await dashboard.http.get("/", headers={"Host": "evil.test"}))

    assert HEADERS["Content-Security-Policy"] == csp
    for answer in answers:
        for name in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"):
            assert answer.headers[name] == HEADERS[name], answer.url
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers


async def test_d13_whatever_a_task_or_a_session_is_called_stays_data(dashboard: Web) -> None:
    client = dashboard.server.client()
    tasks = [
        TaskDefinition(task_id=f"t{n}", name=text, phase=text, description=text)
        # A plan with the last three is refused as it comes in.
        for n, text in enumerate(XSS[:-3])
    ]
    await client.add(*tasks)
    hand, program = GrpcWorker(client), dashboard.program()
    claim = await hand.claim()
    session = await hand.start(claim)
    await hand.say(claim, session, *XSS)

    one = f"/api/tasks/{claim.task.task_id}"
    for path in ("/api/tasks", one, "/api/graph", f"{one}/log"):
        answer = await dashboard.http.get(path, headers=program.headers)
        # Neither a browser that guesses types nor a terminal finds anything in it to obey.
        assert answer.headers["content-type"] == "application/json"
        assert answer.content.isascii()
        assert b"\x1b" not in answer.content
    names = [task["name"] for task in (await program.get("/api/tasks"))["tasks"]]
    assert names == list(XSS[:-3])
    assert (await dashboard.http.get("/api/tasks/<script>", headers=program.headers)).headers[
        "content-type"
    ] == "application/json"


async def test_a_body_that_is_too_large_or_not_json_is_refused(dashboard: Web) -> None:
    program = dashboard.program()
    headers = {**program.headers, "Content-Type": "application/json"}

    async def post(content: Any) -> httpx.Response:
        return await dashboard.http.post("/api/pause", content=content, headers=headers)

    async def drops() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    for content in (b'{"cause": "' + b"x" * 2**20 + b'"}', drops()):
        answer = await post(content)
        assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
    too_long = b'{"cause": "' + b"x" * 501 + b'"}'
    for content in (b"{", b"[]", b"null", b"\xff", b"[" * 100_000, too_long, b'{"cause": 1}'):
        answer = await post(content)
        assert (answer.status_code, reason(answer)) == (400, "INVALID_REQUEST"), content[:20]
    reader, writer = await asyncio.open_connection(*dashboard.address)
    writer.write(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 40_000)
    assert b"400" in await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    assert (await program.get("/api/status"))["mode"] == "running"


@pytest.mark.slow
async def test_a_frame_that_is_too_large_ends_only_who_sent_it(dashboard: Web) -> None:
    async with dashboard.watch() as good, dashboard.watch() as bad:
        await good.frame("snapshot")
        await bad.frame("snapshot")
        await bad.socket.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as caught:
            await bad.frame("never")
        await good.socket.send("whatever I say is not heard")
        await good.frame("pulse")

    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


@pytest.mark.slow
async def test_two_hundred_who_never_finish_their_request_keep_nobody_from_a_kill(dashboard: Web) -> None:
    await dashboard.server.client().add(TaskDefinition(task_id="a"), TaskDefinition(task_id="b"))
    slow = [socket.create_connection(dashboard.address) for _ in range(200)]
    try:
        for number, one in enumerate(slow):
            one.sendall(b"POST /api/pause HTTP/1.1\r\nHost: x\r\nX: " if number % 2 else b"G")

        by_rpc = await dashboard.server.client().call("KillTask", pb.KillTaskRequest(task_ids=["a"]))
        by_http = await dashboard.program().post("/api/tasks/b/kill", expect=202)
    finally:
        for one in slow:
            one.close()

    assert (by_rpc.tasks[0].task_id, by_http["status"]) == ("a", "killed")


async def test_a_connection_without_a_request_is_closed(
    dashboard: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmd.web.server.HEAD_WITHIN_S", 0.1)
    monkeypatch.setattr("swarmd.web.handler.BODY_WITHIN_S", 0.1)

    for begun in (b"", b"GET /healthz HTT"):
        reader, writer = await asyncio.open_connection(*dashboard.address)
        writer.write(begun)
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
    reader, writer = await asyncio.open_connection(*dashboard.address)
    token = dashboard.server.token
    head = f"POST /api/pause HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode())
    assert b"408" in await asyncio.wait_for(reader.readline(), 20)
    writer.close()


async def test_secrets_are_in_no_answer_no_file_and_no_cookie_jar_of_ours(dashboard: Web) -> None:
    client = dashboard.server.client()
    token = await dashboard.token("viewer")
    browser = await dashboard.browser(token)
    cookie = browser.headers["Cookie"].partition("=")[2]
    secrets = [token.split("_", 3)[3], dashboard.server.token.split("_", 3)[3], cookie]
    await client.add(TaskDefinition(task_id="a"))

    for route in ROUTES:
        if route.method == "GET":
            answer = await ask(dashboard, route, dashboard.program().headers)
            assert not [secret for secret in secrets if secret in answer.text], route.path
    for file in dashboard.server.folder.glob("swarm.db*"):
        assert not [secret for secret in secrets if secret.encode() in file.read_bytes()], file


async def test_a_bug_in_a_route_reveals_nothing(dashboard: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(dashboard.server.swarm.db, "read", lambda _operation: broken())

    with capture_logs() as logs:
        answer = await dashboard.program().get("/api/status", expect=500)

    assert [line["event"] for line in logs] == ["a route failed"]
    assert answer == {
        "error": {"reason": "INTERNAL", "message": "the server failed at this; its log says more"}
    }


HALF = '"\\ud800"'


async def test_half_a_character_is_refused_wherever_it_comes(dashboard: Web) -> None:
    program = dashboard.program()
    headers = {**program.headers, "Content-Type": "application/json"}
    bodies = {
        "/api/pause": f'{{"cause": {HALF}}}',
        "/api/tasks/a/kill": f'{{"cause": {HALF}}}',
        "/api/tasks/kill": f'{{"filter": {{"q": {HALF}}}}}',
        "/api/tasks/retry": f'{{"ids": [{HALF}]}}',
        "/login": f'{{"token": {HALF}}}',
        "/api/resume": f"{{{HALF}: 1}}",
    }

    for path, body in bodies.items():
        answer = await dashboard.http.post(path, content=body, headers=headers)
        assert (answer.status_code, reason(answer)) == (400, "INVALID_REQUEST"), path
        assert "surrogate" in answer.json()["error"]["message"]
    cursor = base64.urlsafe_b64encode(f"[{HALF}, 1]".encode()).decode()
    for query in (f"sort=id&after={cursor}", f"after={cursor}"):
        answer = await dashboard.http.get(f"/api/tasks?{query}", headers=program.headers)
        assert (answer.status_code, reason(answer)) == (400, "INVALID_REQUEST"), query
    for path in ("/api/tasks?q=%ed%a0%80", "/api/tasks/%ed%a0%80", "/api/log?task=%ff"):
        assert (await dashboard.http.get(path, headers=program.headers)).status_code in (200, 404), path


async def test_a_head_above_the_limit_is_refused_even_if_it_arrives_whole(dashboard: Web) -> None:
    program = dashboard.program()

    for headers, path in (({"X-Much": "x" * 20_000}, "/api/status"), ({}, f"/api/tasks?q={'x' * 20_000}")):
        answer = await dashboard.http.get(path, headers=program.headers | headers)
        assert (answer.status_code, reason(answer)) == (431, "HEAD_TOO_LARGE")


@pytest.mark.parametrize("headers", [f"X: {'x' * 9_000}\r\n", "X: x\r\n" * 200])
async def test_a_websocket_whose_head_can_not_be_read_is_closed(dashboard: Web, headers: str) -> None:
    reader, writer = await asyncio.open_connection(*dashboard.address)
    head = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

    writer.write(f"{head}{headers}\r\n".encode())

    with contextlib.suppress(ConnectionResetError):
        assert b" 101 " not in await asyncio.wait_for(reader.read(), 20)
    writer.close()
