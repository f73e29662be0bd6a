"""The interface of a runner: how a session is started and which reader parses its output. It starts no process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from swarm_worker.domain.types import Role, SessionId

if TYPE_CHECKING:
    from swarm_worker.domain.model import Task
    from swarm_worker.runners.reader import OutputReader

# The agents that sessions of both of Amplifier's programs can delegate to, unless another bundle is chosen.
DEFAULT_AGENTS: Final = frozenset({"explorer", "architect", "builder", "debugger", "git-ops", "researcher"})


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """The input of one turn of a session."""

    session_id: SessionId
    role: Role
    task: "Task"
    prompt: str
    project_root: Path
    # A copy of the prompt, for backends that can't pass a long one otherwise.
    prompt_file: Path = Path("prompt.md")
    # Unique among all swarms; empty until the server has sent it.
    swarm_id: str = ""
    # True if an earlier turn of the session is to be continued.
    resumed: bool = False


class Runner:
    """A backend of sessions, with defaults for the methods that most backends share."""

    name: ClassVar[str]
    # How long the start of a session may keep a core busy. Starts with 0 s are not throttled.
    boot_s: ClassVar[float] = 0.0
    # True if a session that asks a model for one word does nothing else, and its output shows that it asked.
    has_trials: ClassVar[bool] = False

    @property
    def session_folders(self) -> Sequence[Path]:
        """The folders below the home folder in which the program keeps its sessions and its settings."""
        return ()

    @property
    def needed_paths(self) -> Sequence[Path]:
        """The files and folders that a session reads besides its program and the project."""
        return ()

    def backend_session(self, plan: SessionPlan) -> str:
        """Returns the session's id in the program's own files and commands."""
        return plan.session_id

    def offers_agent(self, agent: str, project_root: Path) -> bool:
        """Returns whether a session is known to be able to delegate to an agent of that name."""
        return False

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        """Returns the program and its arguments."""
        raise NotImplementedError

    def reader(self, plan: SessionPlan) -> "OutputReader":
        """Returns a reader for that turn.

        Performance: readers are imported here, with the first session, so that an idle worker does not hold
        them in memory (docs/performance.md).
        """
        raise NotImplementedError

    def stdin(self, plan: SessionPlan) -> bytes | None:
        """Returns the bytes for standard input; None if standard input is /dev/null."""
        return plan.prompt.encode(errors="replace")

    def prepare(self, plan: SessionPlan) -> None:
        """Writes the files that the program will look for.

        Raises:
            OSError: a file could not be written.
        """

    def progress_file(self, plan: SessionPlan) -> Path | None:
        """Returns the file that the program appends its progress to; the file need not exist yet."""
        return None

    def resumable(self, plan: SessionPlan) -> bool:
        """Returns whether a further turn of that session would continue the conversation."""
        return False
