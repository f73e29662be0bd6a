"""The dashboard behind a proxy: which Host and Origin are its own page, and what a refusal says."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from support.web import web
from swarmd.web.auth.proxies import ProxiedRequests

LOOPBACK = ip_network("127.0.0.0/8")
ELSEWHERE = ip_network("10.0.0.0/8")
NAME = "swarm.corp.example"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (NAME, f"https://{NAME}"),
        (NAME, f"http://{NAME}"),
        (f"{NAME}:443", f"https://{NAME}"),
        (f"{NAME}:80", f"http://{NAME}"),
        (f"{NAME}:8443", f"https://{NAME}:8443"),
        (f"{NAME.upper()}:443", f"https://{NAME}"),
        ("[::1]:443", "https://[::1]"),
    ],
)
async def test_behind_a_proxy_the_schemes_own_port_may_be_named_or_not(
    tmp_path: Path, host: str, origin: str
) -> None:
    async with web(tmp_path, dashboard_name=(NAME,)) as found:
        browser = await found.browser()

        await browser.post("/api/pause", Host=host, Origin=origin)


@pytest.mark.parametrize(
    ("host", "origin", "why"),
    [
        (f"{NAME}:443", f"https://{NAME}:8443", f"Origin is 'https://{NAME}:8443' and its Host is '{NAME}:443'"),
        (f"{NAME}:443", f"http://{NAME}", f"Origin is 'http://{NAME}'"),
        (f"{NAME}:80", f"https://{NAME}", "its Host is"),
        (NAME, f"https://{NAME}.evil.test", "its Host is"),
        (NAME, f"https://evil.test:443@{NAME}", "its Host is"),
        (NAME, f"https://{NAME}/", "its Host is"),
        ("127.0.0.1:8765", f"https://{NAME}", "A proxy must forward the Host header of the browser"),
    ],
)  # fmt: skip
async def test_a_refusal_names_origin_and_host_and_what_a_proxy_must_do(
    tmp_path: Path, host: str, origin: str, why: str
) -> None:
    async with web(tmp_path, dashboard_name=(NAME,)) as found:
        browser = await found.browser()

        refused = await browser.post("/api/pause", Host=host, Origin=origin, expect=403)

        assert refused["error"]["reason"] == "ORIGIN_REFUSED"
        assert why in refused["error"]["message"]


async def seen(peer: str, *headers: tuple[str, str], path: str = "/", below: str = "") -> Scope:
    """Returns the request as the application gets it."""
    found: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope)

    trusted = (LOOPBACK, ip_network("::1"), ELSEWHERE)
    proxied = ProxiedRequests(app, path=below, trusted=trusted)
    raw = [(b"host", b"inside"), *((name.encode(), value.encode("latin-1")) for name, value in headers)]
    scope = {
        "type": "http",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "client": (peer, 1),
        "headers": raw,
    }
    await proxied(scope, None, None)  # type: ignore[arg-type]  # nothing is sent
    return found[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, nonsense", "127.0.0.1"),
        ("127.0.0.1", "10.1.1.1", "127.0.0.1"),
        ("192.0.2.1", "127.0.0.1", "192.0.2.1"),
    ],
)
async def test_the_browser_is_the_nearest_address_that_is_no_trusted_proxy(
    peer: str, forwarded: str, client: str
) -> None:
    scope = await seen(peer, ("x-forwarded-for", forwarded))

    assert scope["client"][0] == client


async def test_headers_of_strangers_and_all_but_the_last_value_change_nothing() -> None:
    both = (("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.test, " + NAME))

    trusted, stranger = await seen("10.9.9.9", *both), await seen("192.0.2.1", *both)
    other = await seen("10.9.9.9", ("x-forwarded-proto", "https, http"), ("x-forwarded-host", f"{NAME}, "))

    assert (trusted["scheme"], Headers(scope=trusted).getlist("host")) == ("https", [NAME])
    for scope in (stranger, other):
        assert (scope["scheme"], Headers(scope=scope).getlist("host")) == ("http", ["inside"])


@pytest.mark.parametrize(
    ("asked", "got"), [("/swarm/api/me", "/api/me"), ("/api/me", "/api/me"), ("/swarmed", "/swarmed")]
)
async def test_the_path_is_taken_off_where_it_is_there(asked: str, got: str) -> None:
    scope = await seen("192.0.2.1", path=asked, below="/swarm")

    assert (scope["path"], scope["raw_path"]) == (got, got.encode())


async def test_a_stranger_s_forwarded_host_opens_nothing(tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-Host": NAME, "X-Forwarded-Proto": "https"}
    for trusted, status in ((LOOPBACK, 200), (ELSEWHERE, 403)):
        async with web(tmp_path / str(status), dashboard_name=(NAME,), trusted_proxy=(trusted,)) as found:
            browser = await found.browser()
            await browser.post("/api/pause", Origin=f"https://{NAME}", expect=status, **forwarded)
            evil = {**forwarded, "X-Forwarded-Host": "evil.test", "Origin": "https://evil.test"}
            await browser.post("/api/pause", expect=421 if status == 200 else 403, **evil)
            answer = await found.http.get(await found.link(), headers=forwarded)
            assert ("Secure" in answer.headers["set-cookie"]) == (status == 200)


async def test_below_a_path_links_cookies_and_the_live_feed_work(tmp_path: Path) -> None:
    async with web(tmp_path, dashboard_path="/swarm") as found:
        assert (await found.link()).startswith("/swarm/login?code=")
        bare = await found.http.get("/swarm")
        assert (bare.status_code, bare.headers["location"]) == (308, "./swarm/")
        browser = await found.browser()
        assert browser.headers["Cookie"].partition("=")[0].endswith("-swarm")
        await browser.get("/swarm/api/status")
        await browser.get("/api/status")
        assert (await found.http.get("/swarm/")).text == (await found.http.get("/")).text
        async with found.watch("/swarm/ws") as feed:
            assert (await feed.frame())["type"] == "snapshot"
