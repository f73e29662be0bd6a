"""A route: method, path, roles, parameters, handler and response schema."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.responses import Response

from amplifier_swarm.documents import Document
from swarmd.engine.swarm import Swarm
from swarmd.metrics.exposition import Metrics
from swarmd.store.tokens import TokenRecord
from swarmd.store.transaction import ReadTx
from swarmd.web.http.kept_answers import KeptAnswers
from swarmd.web.http.params import Param
from swarmd.wire.actions import Actions
from swarmd.wire.reads import Reads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: the holder of a token, or a browser that logged in with one."""

    token: TokenRecord
    # The browser's cookie; empty for a bearer token.
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class AppState:
    """The shared state of all routes."""

    swarm: Swarm
    reads: Reads
    metrics: Metrics
    actions: Actions
    # The name of the login cookie; other servers on this host have other names.
    cookie: str
    # Lets scrapers on this machine read /metrics without a token.
    metrics_open: bool = False
    # The answers to requests with an Idempotency-Key.
    kept_answers: KeptAnswers = field(default_factory=KeptAnswers)
    # Serializes reads that go through all tasks, so that most reader threads stay free.
    _long_reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def read_long(self, operation: Callable[[ReadTx], T]) -> T:
        """Runs a read that may take long; one such read runs at a time."""
        async with self._long_reads:
            return await self.swarm.db.read(operation)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """An authorized request with its parameters checked."""

    # None where the route needs no token.
    principal: Principal | None
    path: Mapping[str, str]
    given: Mapping[str, Any]
    # The login cookie of the request, valid or not.
    cookie: str = ""
    # The CSRF token of the request; empty unless it is the login's.
    csrf: str = ""
    # Whether the browser has used TLS, to this server or to a proxy that is trusted.
    secure: bool = False
    # The task file in the body, where the route takes one.
    task_file: str = ""
    # The header Idempotency-Key.
    idempotency_key: str = ""

    @property
    def actor(self) -> str:
        """The name of the caller's token; empty where the route needs no token."""
        return "" if self.principal is None else self.principal.token.name

    def get(self, param: Param[T]) -> T:
        """Returns the parameter's value, or its default if the request does not have it."""
        value: T = self.given.get(param.name, param.default)
        return value


RouteHandler = Callable[[AppState, ApiRequest], Awaitable[Document | Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """An entry of the route table."""

    method: str
    path: str
    # The method of OperatorService that the route stands for; its roles apply. Empty: no token needed.
    rpc: str
    handle: RouteHandler
    about: str
    # The schema of the response: a key of schemas.SCHEMAS.
    answer: str
    query: Sequence[Param[Any]] = ()
    body: Sequence[Param[Any]] = ()
    # The body is a task file, in JSON or YAML, and has no parameters.
    takes_task_file: bool = False
    status: int = 200
    # A login may read the route without its CSRF token, since the page asks it for that token.
    without_csrf: bool = False
    # Lets --metrics-open open the route to programs on this host.
    scraped: bool = False
