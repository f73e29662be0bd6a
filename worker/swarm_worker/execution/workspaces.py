"""The interface of an attempt to its workspace, and the workspace that all tasks of a worker share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from swarm_worker.domain.model import Assignment, Failure, Outcome
from swarm_worker.domain.ports import Notes
from swarm_worker.execution.checks import ChecksResult

_log = structlog.get_logger()


class CheckRunner(Protocol):
    """A way to run shell commands in the workspace as it is."""

    async def __call__(self, commands: tuple[str, ...], log: Notes, *, since_s: float) -> ChecksResult:
        """Runs the commands; `since_s` is when the work that they check began, in seconds since the epoch."""


class Workspace(Protocol):
    """The folder of one attempt, and what happens to it around the sessions. Methods are called in this order."""

    @property
    def root(self) -> Path:
        """The folder in which sessions and checks run."""

    @property
    def borrowed(self) -> Sequence[Path]:
        """The folders outside of the workspace from which its git reads objects; known once it is open."""

    async def open(self, run_checks: CheckRunner) -> Outcome | None:
        """Makes the folder and sets it up; returns the attempt's outcome if no session is needed or none can run."""

    async def keep_built(self, log: Notes) -> Failure | None:
        """Keeps the builder's work; returns why there is none."""

    async def discard_changes(self, maker: str, log: Notes) -> None:
        """Throws away what changed since `keep_built`, and logs that `maker` changed it."""

    async def land(self, outcome: Outcome, log: Notes, run_checks: CheckRunner) -> Outcome:
        """Brings accepted work onto the target; returns the outcome with the landing, or one of a failure."""

    async def close(self, outcome: Outcome) -> Outcome:
        """Keeps what is not kept yet and returns the outcome with it; the folder may be removed."""


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """The log of an attempt without a session: the worker's own."""

    assignment: Assignment

    def note(self, text: str) -> None:
        """Logs the text."""
        _log.info(text, task=self.assignment.task.id, attempt=self.assignment.attempt)


@dataclass(frozen=True, slots=True)
class SharedWorkspace:
    """The project root itself: nothing is made, kept, landed or removed."""

    root: Path
    borrowed: Sequence[Path] = ()

    async def open(self, run_checks: CheckRunner) -> Outcome | None:
        return None

    async def keep_built(self, log: Notes) -> Failure | None:
        return None

    async def discard_changes(self, maker: str, log: Notes) -> None:
        return

    async def land(self, outcome: Outcome, log: Notes, run_checks: CheckRunner) -> Outcome:
        return outcome

    async def close(self, outcome: Outcome) -> Outcome:
        return outcome
