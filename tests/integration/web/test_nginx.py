"""The nginx block of the documentation, with nginx: the page below a path, a login, calls, and the live feed."""

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from support.programs import ROOT
from support.waiting import eventually
from support.web import Web, web

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
NAME = "swarm.example.com"
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx here: `apt-get install nginx-light`")


def _config(folder: Path, port: int, target: str) -> str:
    """Returns the configuration with the documented block; TLS is left out, and the scheme is what it would be."""
    page = (ROOT / "docs" / "dashboard.md").read_text()
    [block] = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    of_http, of_server = block.split("# In the server block", 1)
    location = (
        of_server.partition("\n")[2].replace("http://127.0.0.1:8765", target).replace("$scheme", "https")
    )
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;
        events {{}}
        http {{
          access_log off; {temporary} {of_http}
          server {{ listen 127.0.0.1:{port}; server_name {NAME}; {location} }}
        }}"""


@contextmanager
def nginx(folder: Path, target: str) -> Iterator[int]:
    """Runs nginx in front of the target and yields its port."""
    assert NGINX is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    folder.mkdir()
    (folder / "conf").write_text(_config(folder, port, target))
    with subprocess.Popen([NGINX, "-p", folder, "-c", folder / "conf"]) as program:
        try:
            yield port
        finally:
            program.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


async def _uses_it_all(found: Web, port: int) -> None:
    public = {"Host": NAME, "Origin": f"https://{NAME}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=public) as http:
        assert "<title>" in (await http.get("/swarm/")).text
        logged_in = await http.get(await found.link())
        assert (logged_in.status_code, logged_in.headers["location"]) == (303, "./?login=new")
        cookie, _, flags = logged_in.headers["set-cookie"].partition(";")
        assert "Secure" in flags
        http.cookies.clear()
        login = {"Cookie": cookie}
        csrf = (await http.get("/swarm/api/me", headers=login)).json()["csrf"]
        acts = {**login, "X-Swarm-CSRF": csrf}
        assert (await http.post("/swarm/api/pause", json={}, headers=acts)).json()["mode"] == "paused"
        refused = await http.post(
            "/swarm/api/pause", json={}, headers={**acts, "Origin": "https://evil.test"}
        )
        assert refused.status_code == 403
        # nginx sets the header itself, so a browser's own changes nothing.
        spoofed = {**acts, "X-Forwarded-Host": "evil.test"}
        assert (await http.get("/swarm/api/status", headers=spoofed)).status_code == 200
        assert (await http.get("/elsewhere")).status_code == 404
    async with connect(
        f"ws://127.0.0.1:{port}/swarm/ws",
        host="127.0.0.1",
        additional_headers={"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"},
        subprotocols=["swarm.v1", f"csrf.{csrf}"],  # type: ignore[list-item]
    ) as socket_:
        async with asyncio.timeout(20):
            assert "snapshot" in str(await socket_.recv())


async def test_the_documented_block_serves_the_page_below_a_path(tmp_path: Path) -> None:
    settings = {
        "dashboard_name": (NAME,),
        "dashboard_path": "/swarm",
        "trusted_proxy": (ip_network("127.0.0.1"),),
    }
    async with web(tmp_path / "state", **settings) as found:
        with nginx(tmp_path / "nginx", found.url.removesuffix("/swarm")) as port:
            await eventually(lambda: _answers(port), "nginx serves")
            await _uses_it_all(found, port)
