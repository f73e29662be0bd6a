"""The dashboard's port: start, refusals, shutdown; logins of browsers."""

import asyncio
import re
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.v1 import operator_service_pb2 as pb
from support.server import refusal, server
from support.web import Web, web
from swarmd.engine.auth.logins import LOGIN_S
from swarmd.web import server as web_server
from swarmd.web import static_files


async def refused(folder: Path, **settings: Any) -> str:
    """Returns the error line of a refused start."""
    with pytest.raises(ProgramExit) as caught:
        async with server(folder, **settings):
            pass
    return caught.value.line("swarmd")


async def test_a_taken_port_is_reported_with_advice(dashboard: Web, tmp_path: Path) -> None:
    host, port = dashboard.address

    line = await refused(tmp_path / "two", dashboard=f"{host}:{port}")

    assert line == (
        f"swarmd: can't serve the dashboard on {host}:{port}: Address already in use;"
        " give another --dashboard, such as 127.0.0.1:0 for a free port, or `--dashboard off`"
    )


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
async def test_without_tls_nothing_but_loopback_is_served(tmp_path: Path, address: str) -> None:
    assert await refused(tmp_path, dashboard=address) == (
        f"swarmd: refusing to listen on {address} without TLS;"
        " give --tls-auto, or --tls-cert and --tls-key, or listen on 127.0.0.1"
    )


async def test_a_malformed_address_is_refused(tmp_path: Path) -> None:
    assert (await refused(tmp_path, dashboard="8765")).startswith(
        "swarmd: --dashboard '8765' is not a HOST:PORT address"
    )


async def test_a_server_without_a_dashboard_refuses_a_login_link(tmp_path: Path) -> None:
    async with server(tmp_path) as off:
        error = await refusal(off.client().call("CreateLoginCode", pb.CreateLoginCodeRequest()))

    assert (off.dashboard, error.reason) == ("off", "DASHBOARD_OFF")


async def test_a_shared_link_shows_everything_and_changes_nothing(tmp_path: Path) -> None:
    async with web(tmp_path) as found:
        client = found.server.client()
        made = await client.call("CreateLoginCode", pb.CreateLoginCodeRequest(role=pb.Role.ROLE_VIEWER))
        guest = await found.browser_at(made.url.removeprefix(found.url))

        me = await guest.get("/api/me")
        assert (me["role"], me["name"]) == ("viewer", "shared link")
        await guest.get("/api/status")
        await guest.post("/api/pause", expect=403)
        again = await found.http.get(made.url)
        assert again.headers["location"] == "./?login=expired"
        listed = await client.call("ListTokens", pb.ListTokensRequest())
        [shared] = [token for token in listed.tokens if token.name == "shared link"]
        assert shared.HasField("expires_at")
        await client.call("RevokeToken", pb.RevokeTokenRequest(token_id=shared.token_id))
        await guest.get("/api/status", expect=401)


async def test_only_an_operator_shares_a_link_and_only_a_viewers(tmp_path: Path) -> None:
    async with web(tmp_path) as found:
        viewer = found.server.client(await found.token("viewer"))
        shared = pb.CreateLoginCodeRequest(role=pb.Role.ROLE_VIEWER)
        denied = await refusal(viewer.call("CreateLoginCode", shared))
        request = pb.CreateLoginCodeRequest(role=pb.Role.ROLE_OPERATOR)
        invalid = await refusal(found.server.client().call("CreateLoginCode", request))

    assert (denied.reason, invalid.reason) == ("ROLE_DENIED", "INVALID_REQUEST")
    assert "only a viewer's link" in invalid.message


async def test_with_open_websockets_it_stops_at_once_and_closes_them(tmp_path: Path) -> None:
    async with web(tmp_path) as found:
        sockets = [
            await connect(found.url.replace("http", "ws") + "/ws", additional_headers=found.program().headers)
            for _ in range(20)
        ]
        for socket in sockets:
            await socket.recv()
        started_s = time.monotonic()
    took_s = time.monotonic() - started_s

    for socket in sockets:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 20)
        assert socket.close_code == 1012
    assert took_s < 5, "SIGTERM is answered within five seconds"


async def test_a_link_logs_a_browser_in_once(dashboard: Web) -> None:
    link = await dashboard.link()

    first = await dashboard.http.get(link)
    dashboard.http.cookies.clear()
    second = await dashboard.http.get(link)

    assert (first.status_code, first.headers["location"]) == (303, "./?login=new")
    name, _, rest = first.headers["set-cookie"].partition("=")
    assert name == f"swarm-{dashboard.address[1]}"
    assert set(rest.split("; ")[1:]) == {"HttpOnly", f"Max-Age={LOGIN_S}", "Path=/", "SameSite=strict"}
    assert (second.status_code, second.headers["location"]) == (303, "./?login=expired")
    assert "set-cookie" not in second.headers


async def test_a_pasted_token_logs_in_and_a_logout_ends_it(dashboard: Web) -> None:
    headers = dashboard.origin

    def post(path: str, body: dict[str, str], **more: str) -> Any:
        return dashboard.http.post(path, json=body, headers=headers | more)

    wrong = await post("/login", {"token": "swt1_operator_000000000000_" + "A" * 43})
    worker = await post("/login", {"token": await dashboard.token("worker")})
    right = await post("/login", {"token": f" {dashboard.server.token}\n"})

    assert [answer.status_code for answer in (wrong, worker, right)] == [401, 403, 200]
    assert (right.json()["role"], len(right.json()["csrf"])) == ("operator", 64)
    cookie = {"Cookie": right.headers["set-cookie"].partition(";")[0]}
    dashboard.http.cookies.clear()
    again = await post("/login", {"token": dashboard.server.token}, **cookie)
    dashboard.http.cookies.clear()
    assert (await dashboard.http.get("/api/me", headers=cookie)).status_code == 401, (
        "a new login replaces the cookie"
    )
    cookie = {"Cookie": again.headers["set-cookie"].partition(";")[0]}
    out = await post("/logout", {}, **cookie, **{"X-Swarm-CSRF": again.json()["csrf"]})
    assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (200, True)
    assert (await dashboard.http.get("/api/me", headers=cookie)).status_code == 401


async def test_a_login_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    async with web(tmp_path) as first:
        browser = await first.browser()
        port = first.address[1]
    async with web(tmp_path, dashboard=f"127.0.0.1:{port}") as second:
        answer = await second.http.get("/api/me", headers=browser.headers)

    assert answer.json()["csrf"] == browser.headers["X-Swarm-CSRF"]


async def test_off_loopback_it_is_https_with_a_cookie_for_this_host_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    identity = authority.issue_cert("localhost", "127.0.0.1", "swarm.test")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(pem.bytes() for pem in identity.cert_chain_pems))
    key.write_bytes(identity.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = {"tls_cert": cert, "tls_key": key, "dashboard": "0.0.0.0:0", "dashboard_name": ("swarm.test",)}

    async with server(tmp_path / "state", **settings) as found:
        url = found.dashboard.replace("0.0.0.0", "127.0.0.1")
        link = found.swarm.logins.make_link(found.swarm.tokens.verify(found.token))
        async with httpx.AsyncClient(base_url=url, verify=context) as http:
            answer = await http.get(link.replace("0.0.0.0", "127.0.0.1"))
            hosts = {
                host: (await http.get("/healthz", headers={"Host": host})).status_code
                for host in ("swarm.test", "127.0.0.1", "10.1.2.3:8765", "evil.test")
            }

    assert found.dashboard.startswith("https://")
    cookie = answer.headers["set-cookie"]
    assert re.match(r"__Host-swarm-\d+=", cookie)
    assert "Secure" in cookie
    # An address can't be rebound, and probes call by it; a foreign name is refused.
    assert hosts == {"swarm.test": 200, "127.0.0.1": 200, "10.1.2.3:8765": 200, "evil.test": 421}


async def test_scrapers_of_this_host_need_no_token_where_that_is_asked_for(tmp_path: Path) -> None:
    async with web(tmp_path, metrics_open=True, dashboard_name=("swarm.test",)) as found:
        assert (await found.http.get("/metrics")).status_code == 200
        # A proxy on this host forwards requests of others.
        for headers in (
            {"Host": "swarm.test"},
            {"X-Forwarded-For": "192.0.2.1"},
            {"Forwarded": "for=192.0.2.1"},
        ):
            assert (await found.http.get("/metrics", headers=headers)).status_code == 401
        assert (await found.http.get("/api/status")).status_code == 401


async def test_a_response_is_sent_at_once_and_not_with_the_next_packet(dashboard: Web) -> None:
    """Without an explicit protocol asyncio leaves Nagle's algorithm on: 40 ms for each response."""
    listener = web_server._listen("127.0.0.1:0")
    with listener:
        import socket  # noqa: PLC0415

        assert listener.proto == socket.IPPROTO_TCP


async def test_the_dashboards_files_are_served_as_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>Swarm</title>")
    (static / "assets" / "app-abc123.js").write_text("let x = 1;\n" * 100)
    (static / ".hidden").write_text("x")
    monkeypatch.setattr(static_files, "folder", lambda: static)

    async with web(tmp_path / "state") as found:
        page, login = await found.http.get("/"), await found.http.get("/login")
        script = await found.http.get("/assets/app-abc123.js")
        plain = await found.http.get("/assets/app-abc123.js", headers={"Accept-Encoding": "identity"})
        missing = [
            (await found.http.get(path)).status_code
            for path in ("/.hidden", "/assets/", "/assets/../index.html", "/assets/%2e%2e/%2e%2e/state/token")
        ]

    assert page.text == login.text == "<!doctype html><title>Swarm</title>"
    assert (page.headers["content-type"], page.headers["cache-control"]) == (
        "text/html; charset=utf-8",
        "no-store",
    )
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (script.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert script.text == plain.text == "let x = 1;\n" * 100
    assert missing == [404, 404, 404, 404]


async def test_an_installation_without_the_files_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_files, "folder", lambda: tmp_path / "nothing")

    async with web(tmp_path / "state") as found:
        page = await found.http.get("/")

    assert (page.status_code, page.text) == (503, static_files.MISSING)
