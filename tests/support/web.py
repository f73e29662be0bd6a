"""Clients of the dashboard's port: real HTTP and real WebSockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from amplifier_swarm.v1 import operator_service_pb2 as pb
from support.server import Server, server

PATIENCE_S = 30.0
ROLES = {"viewer": pb.ROLE_VIEWER, "worker": pb.ROLE_WORKER, "operator": pb.ROLE_OPERATOR}


@dataclass
class Caller:
    """A caller with a token, or with the cookie and the CSRF token of a login."""

    http: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, *, expect: int = 200, **query: Any) -> Any:
        """Reads a route; asserts the status and returns the JSON."""
        found = await self.http.get(path, params=query or None, headers=self.headers)
        assert found.status_code == expect, f"{path}: {found.status_code} {found.text}"
        return found.json()

    async def post(self, path: str, body: Any = None, *, expect: int = 200, **headers: str) -> Any:
        """Posts a JSON body; asserts the status and returns the JSON."""
        found = await self.http.post(path, json=body or {}, headers=self.headers | headers)
        assert found.status_code == expect, f"{path}: {found.status_code} {found.text}"
        return found.json()


@dataclass
class Web:
    """A server and a client of its dashboard's port."""

    server: Server
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        return self.server.dashboard

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": self.url}

    def program(self, token: str | None = None) -> Caller:
        """Returns a caller with the token, the operator's by default."""
        return Caller(self.http, {"Authorization": f"Bearer {token or self.server.token}"})

    async def token(self, role: str) -> str:
        """Creates a token of that role."""
        request = pb.CreateTokenRequest(role=ROLES[role], name=f"a {role}")
        made = await self.server.client().call("CreateToken", request)
        return str(made.token)

    async def link(self, token: str | None = None) -> str:
        """Creates a login link and returns its path."""
        made = await self.server.client(token).call("CreateLoginCode", pb.CreateLoginCodeRequest())
        return str(made.url).removeprefix(self.url)

    async def browser(self, token: str | None = None) -> Caller:
        """Logs a browser in by a link."""
        return await self.browser_at(await self.link(token))

    async def browser_at(self, path: str) -> Caller:
        """Logs a browser in by the link of that path."""
        answer = await self.http.get(path)
        assert answer.status_code == 303, answer.text
        cookie = answer.headers["set-cookie"].partition(";")[0]
        self.http.cookies.clear()
        caller = Caller(self.http, {"Cookie": cookie, **self.origin})
        me = await caller.get("/api/me")
        return Caller(self.http, {**caller.headers, "X-Swarm-CSRF": me["csrf"]})

    @contextlib.asynccontextmanager
    async def watch(self, path: str = "/ws", caller: Caller | None = None) -> AsyncIterator["Watcher"]:
        """Subscribes to the live feed, as a program does."""
        headers = (caller or self.program()).headers
        async with connect(self.url.replace("http", "ws") + path, additional_headers=headers) as socket:
            yield Watcher(socket)


@dataclass
class Watcher:
    """A subscriber of the live feed."""

    socket: ClientConnection

    async def frame(self, kind: str = "") -> Any:
        """Reads frames until one has that kind, or the next one."""
        while True:
            async with asyncio.timeout(PATIENCE_S):
                found = json.loads(await self.socket.recv())
            if not kind or found["type"] == kind:
                return found


@contextlib.asynccontextmanager
async def web(folder: Path, **settings: Any) -> AsyncIterator[Web]:
    """Runs a server on `folder` with its dashboard on a free port."""
    async with (
        server(folder, **({"dashboard": "127.0.0.1:0"} | settings)) as found,
        httpx.AsyncClient(base_url=found.dashboard, timeout=PATIENCE_S) as http,
    ):
        yield Web(found, http)
