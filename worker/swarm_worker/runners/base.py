"""The interface of a runner: how a session is started and how its output is read. Pure; it starts nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Protocol

from swarm_worker.lines import Line
from swarm_worker.model import Entry, Failure, Role, SessionId, Task, Usage

# It works, and would be heard of.
WORKING: Final = 1.0
# Nothing is heard before a model's first answer, which can take long.
STARTING: Final = 3.0
# It has no way to be heard of before its end.
MUTE: Final = math.inf


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """A turn of a session that is about to be started."""

    session_id: SessionId
    role: Role
    task: Task
    prompt: str
    project_root: Path
    # Where the prompt stands too, for backends that can't take a long one otherwise.
    prompt_file: Path = Path("prompt.md")
    # Names the swarm among all swarms; empty until the server has said it.
    swarm_id: str = ""
    # Whether the session has had a turn already and goes on.
    resumed: bool = False


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

    @property
    def patience(self) -> float:
        """How many times the stall limit it may be silent for now; see the constants."""

    def stdout(self, line: Line) -> Sequence[Entry]:
        """Takes in a line of standard output."""

    def stderr(self, line: Line) -> Sequence[Entry]:
        """Takes in a line of standard error."""

    def fed(self, line: Line) -> Sequence[Entry]:
        """Takes in a line of the file that the session reports its progress in."""

    def end(self) -> Sequence[Entry]:
        """What is left to log when nothing more comes."""

    def report(self, stdout: str, *, exit_code: int) -> Report:
        """Judges the session by the end of its output and by how it exited."""


class Runner:
    """A backend; what most have in common."""

    name: ClassVar[str]
    # How long the start of a session may keep a core busy. Starts of 0 s need not wait for one another.
    boot_s: ClassVar[float] = 0.0

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def reader(self, plan: SessionPlan) -> Reader:
        """A reader for that turn."""
        raise NotImplementedError

    def stdin(self, plan: SessionPlan) -> bytes | None:
        """What the program is given to read; None is no stdin at all."""
        return plan.prompt.encode(errors="replace")

    def prepare(self, plan: SessionPlan) -> None:
        """Lays out the files that the program will look for; raises OSError if it can't."""

    def feed(self, plan: SessionPlan) -> Path | None:
        """The file, which need not exist, that the program reports its progress in."""
        return None

    def resumable(self, plan: SessionPlan) -> bool:
        """Whether a further turn of that session would know of the one before, and not start blank."""
        return False
