"""What an attempt needs of the server, without the wire: the go before a session, an ear for what it does."""

from dataclasses import dataclass
from typing import Protocol

from swarm_worker.domain.model import SessionEnd, SessionLogLine, SessionStart, Usage
from swarm_worker.domain.types import StopOrder


@dataclass(frozen=True, slots=True)
class Go:
    """The answer to a session's start; `refusal` says what is wrong with the request, if that is it."""

    go: bool
    order: StopOrder | None = None
    refusal: str = ""


class SessionReporter(Protocol):
    """Where an attempt asks and reports."""

    async def ask(self, start: SessionStart) -> Go:
        """Asks for the go; until there is an answer, no process may exist."""

    async def end(self, end: SessionEnd) -> None:
        """Records an end; returns when the server has it, or never will."""

    def log(self, start: SessionStart, entry: SessionLogLine, *, number: int) -> None:
        """Passes on what a session did, without waiting; entries are numbered from 1."""

    def use(self, start: SessionStart, usage: Usage) -> None:
        """Passes on what a session has used so far, without waiting."""
