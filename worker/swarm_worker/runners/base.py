"""The interface of a runner: how a session is started and how its output is read. Pure; it starts nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from swarm_worker.lines import Line
from swarm_worker.model import Entry, Failure, Role, SessionId, Task, Usage


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """A session that is about to be started."""

    session_id: SessionId
    role: Role
    task: Task
    prompt: str
    project_root: Path


@dataclass(frozen=True, slots=True)
class Report:
    """What a session that ended by itself came to."""

    reply: str
    failure: Failure | None = None


class Reader(Protocol):
    """Reads the output of one session as it comes."""

    @property
    def usage(self) -> Usage:
        """What it has used so far."""

    def stdout(self, line: Line) -> Sequence[Entry]:
        """Takes in a line of standard output."""

    def stderr(self, line: Line) -> Sequence[Entry]:
        """Takes in a line of standard error."""

    def end(self) -> Sequence[Entry]:
        """What is left to log when nothing more comes."""

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Judges the session by the end of its output and by how it exited."""


class Runner(Protocol):
    """A backend."""

    name: str

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        """The program and its arguments; the prompt goes to its stdin, never here."""

    def reader(self, plan: SessionPlan) -> Reader:
        """A reader for that session."""
