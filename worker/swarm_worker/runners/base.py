"""The interface of a runner: how a session is started, and who reads its output. Pure; it starts nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from swarm_worker.domain.types import Role, SessionId

if TYPE_CHECKING:
    from swarm_worker.domain.model import Task
    from swarm_worker.runners.reader import OutputReader


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """A turn of a session that is about to be started."""

    session_id: SessionId
    role: Role
    task: "Task"
    prompt: str
    project_root: Path
    # Where the prompt stands too, for backends that can't take a long one otherwise.
    prompt_file: Path = Path("prompt.md")
    # Names the swarm among all swarms; empty until the server has said it.
    swarm_id: str = ""
    # Whether the session has had a turn already and goes on.
    resumed: bool = False


class Runner:
    """A backend; what most have in common."""

    name: ClassVar[str]
    # How long the start of a session may keep a core busy. Starts of 0 s need not wait for one another.
    boot_s: ClassVar[float] = 0.0

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def reader(self, plan: SessionPlan) -> "OutputReader":
        """A reader for that turn. No runner loads its readers sooner: an idle worker does without."""
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
