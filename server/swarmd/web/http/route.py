"""What a route is: the method and the path, whose roles it has, what it may be given, who answers it, with what."""

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
from swarmd.web.http.params import Param
from swarmd.wire.actions import Actions
from swarmd.wire.reads import Reads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the holder of a token, or a browser that logged in with one."""

    token: TokenRecord
    # The browser's cookie and its CSRF token; empty for a bearer token.
    cookie: str = ""
    csrf: str = ""


@dataclass(frozen=True, slots=True)
class AppState:
    """What the routes work on."""

    swarm: Swarm
    looks: Reads
    metrics: Metrics
    verbs: Actions
    # The name of the login cookie: other servers of this host have theirs.
    cookie: str
    secure: bool
    # Whether /metrics asks this machine's own scrapers for no token.
    metrics_open: bool = False
    # Reads that go through all tasks take turns, so that most readers are free for others.
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def read_long(self, operation: Callable[[ReadTx], T]) -> T:
        """Reads what may take a while."""
        async with self._turn:
            return await self.swarm.db.read(operation)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request, checked."""

    # None where nobody has to say who they are.
    who: Principal | None
    path: Mapping[str, str]
    given: Mapping[str, Any]
    # The login cookie that came along, good or not.
    cookie: str = ""

    def of(self, field: Param[T]) -> T:
        """What was given for the field, else its default."""
        value: T = self.given.get(field.name, field.default)
        return value


Handle = Callable[[AppState, ApiRequest], Awaitable[Document | Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One way to ask for something."""

    method: str
    path: str
    # The method of OperatorService that it does, whose roles it therefore has; empty: open to everybody.
    verb: str
    handle: Handle
    about: str
    # The schema of the answer: a name of schemas.py.
    answer: str
    query: Sequence[Param[Any]] = ()
    body: Sequence[Param[Any]] = ()
    status: int = 200
    # Whether --metrics-open lets programs of this host ask without a token.
    scraped: bool = False
