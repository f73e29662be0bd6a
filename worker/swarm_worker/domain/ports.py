"""The interface through which an attempt reports to the server, independent of the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from swarm_worker.domain.model import SessionEnd, SessionLogLine, SessionStart, Usage
from swarm_worker.domain.people import PersonAnswer
from swarm_worker.domain.types import LeaseId, StopOrder


@dataclass(frozen=True, slots=True)
class GoAnswer:
    """The answer to a session's start; `refusal` is set if the server rejected the request as invalid."""

    granted: bool
    order: StopOrder | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class LandingRight:
    """The answer to a request for the right to land; without it, `order` says what to do.

    `tip` is the commit of the last landing, which the worker must have before it lands; empty if nothing has landed.
    """

    granted: bool
    tip: str = ""
    order: StopOrder | None = None


class Notes(Protocol):
    """A log of an attempt."""

    def note(self, text: str) -> None:
        """Writes a line of the worker itself."""


class ArtifactSink(Protocol):
    """The place where the files that an attempt leaves for people are stored."""

    async def put_artifact(self, lease_id: LeaseId, name: str, file: BinaryIO, *, size: int) -> str:
        """Stores the first `size` bytes of the file; returns why they are not stored, empty if they are."""


class SessionReporter(Protocol):
    """The requests and reports of an attempt's sessions."""

    async def request_go(self, start: SessionStart) -> GoAnswer:
        """Requests the go; no process of the session may exist before the answer."""

    async def request_checks(self, lease_id: LeaseId) -> GoAnswer:
        """Requests the go of an attempt that starts with its checks; none of them may run before the answer."""

    async def report_end(self, end: SessionEnd) -> None:
        """Reports an end; returns when the server has stored or refused it."""

    def report_log(self, start: SessionStart, entry: SessionLogLine, *, number: int) -> None:
        """Reports a log entry without waiting; entries are numbered from 1."""

    def report_usage(self, start: SessionStart, usage: Usage) -> None:
        """Reports the usage of the session so far, without waiting."""


class SessionCallFailed(Exception):
    """A call of a session that was refused; `reason` is a name of ErrorReason, or empty."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that the server has stored, and how many seconds the session may wait in its place."""

    hold_id: str
    wait_s: float


class SessionGateway(Protocol):
    """The calls that sessions make with tokens of their own. Each raises SessionCallFailed if it is refused."""

    async def set_progress(self, token: str, text: str, percent: int | None) -> None:
        """Says how far the session is."""

    async def file_task(
        self, token: str, texts: Mapping[str, str], lists: Mapping[str, Sequence[str]]
    ) -> Mapping[str, Any]:
        """Files a task; returns its id, and whether it is held."""

    async def read_dependencies(self, token: str, task_id: str) -> Sequence[Mapping[str, Any]]:
        """Returns what came of the dependencies, as JSON."""

    async def ask(self, token: str, text: str, options: Sequence[str]) -> AskedQuestion:
        """Asks a person."""

    async def await_answer(self, token: str, hold_id: str, *, wait_s: float) -> PersonAnswer | None:
        """Waits for the answer to a question for a while; returns None if it has not come."""

    async def add_artifact(self, token: str, name: str, file: BinaryIO, *, size: int) -> str:
        """Stores a file for people; returns its SHA-256."""


class LandingReporter(Protocol):
    """The requests of an attempt's landing."""

    async def request_landing(self, lease_id: LeaseId) -> LandingRight:
        """Requests the right to land and waits for its turn, however long that takes."""
