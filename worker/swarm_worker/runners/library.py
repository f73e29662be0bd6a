"""The `amplifier-agent` runner over the library `amplifier_agent`, which has had no command since 0.20.

Each turn is a process of our own program `agent_library` under the interpreter that has the library.

Invariant: the folder of sessions belongs to one swarm, so an id of another swarm never finds a finished conversation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from swarm_worker.domain.types import Role
from swarm_worker.runners.base import Runner, SessionPlan

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader

PROGRAM: Final = Path(__file__).resolve().parents[1] / "agent_library" / "__main__.py"
# The library's own demand. A library that can be imported and has what is needed runs, whatever the Python.
NEEDED: Final = "3.12"


@dataclass(frozen=True, slots=True)
class Library:
    """The installed library: the interpreter that has it, and what it has."""

    python: str
    python_version: str
    version: str
    lists_models: bool

    def argv(self, command: str, *words: str) -> Sequence[str]:
        """Returns the command line of our program under that interpreter."""
        return (self.python, str(PROGRAM), command, *words)


class LibraryRunner(Runner):
    """The runner that starts `agent_library run` under the library's interpreter."""

    name = "amplifier-agent"
    boot_s = 3.0
    has_trials = True

    def __init__(self, library: Library, *, configs: Mapping[Role, Path], env: Mapping[str, str]) -> None:
        self.library = library
        self.configs = configs
        home = Path(env.get("HOME", "~")).expanduser()
        # Not below the worker's state, which sessions do not see.
        self.swarms = home / ".amplifier-agent" / "swarms"

    @property
    def session_folders(self) -> Sequence[Path]:
        return (self.swarms.parent,)

    @property
    def needed_paths(self) -> Sequence[Path]:
        return (PROGRAM.parent, *self.configs.values())

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        words = ["--session-id", plan.session_id, "--resume" if plan.resumed else "--fresh"]
        return self.library.argv(
            "run", *words, *self.setting(plan.role, plan.project_root, self._sessions(plan))
        )

    def setting(self, role: Role, root: Path, sessions: Path) -> Sequence[str]:
        """Returns the arguments that a turn and its check share."""
        words = ["--role", role.value, "--cwd", str(root), "--sessions", str(sessions)]
        config = self.configs.get(role)
        return [*words, "--config", str(config)] if config else words

    def reader(self, plan: SessionPlan) -> "OutputReader":
        from swarm_worker.runners.envelope import EnvelopeReader  # noqa: PLC0415  # see Runner.reader
        from swarm_worker.runners.library_failures import library_failure  # noqa: PLC0415

        return EnvelopeReader(plan, failure_of=library_failure)

    def resumable(self, plan: SessionPlan) -> bool:
        """Returns whether a turn of the session was committed; a session that was killed has an empty history."""
        from swarm_worker.agent_library.ids import library_id  # noqa: PLC0415  # see Runner.reader

        turns = self._sessions(plan) / "sessions" / library_id(plan.session_id) / "turns.jsonl"
        try:
            return turns.stat().st_size > 0
        except OSError:
            return False

    def _sessions(self, plan: SessionPlan) -> Path:
        return self.swarms / (plan.swarm_id or "unnamed")


def read_library(python: str, answer: Mapping[str, Any]) -> Library:
    """Reads the answer of `agent_library about`.

    Raises:
        ValueError: the library can't be used, in words that begin with a subject.
    """
    reason = (answer.get("fault") or {}).get("message") or answer.get("missing")
    version = str(answer.get("python", "?"))
    if reason:
        older = f"; the library needs Python {NEEDED} or newer, and this is {version}"
        raise ValueError(f"{reason}{older if _is_older(version) else ''}")
    lists = answer.get("listsModels") is True
    return Library(python, version, str(answer.get("version", "?")), lists)


def _is_older(version: str) -> bool:
    parts = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return parts < [int(part) for part in NEEDED.split(".")]
