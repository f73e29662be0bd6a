"""The files of a run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The files that must outlast a run: all of them lie beside the database."""

    db: Path

    def make(self) -> None:
        """Makes the folder for its owner alone: its files give full access."""
        self.db.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def token(self) -> Path:
        """The operator's token; swarmd makes it."""
        return self.db.with_name("token")

    def log(self, name: str) -> Path:
        """Returns the log file of one child."""
        return self.db.with_name("logs") / f"{name}.log"

    @property
    def worker_state(self) -> Path:
        """The folder in which each worker makes a state folder of its name."""
        return self.db.with_name("workers")

    @property
    def prompts(self) -> Path:
        """The folder of the copies of the project's own prompts."""
        return self.db.with_name("run-prompts")

    def has_state_of(self, worker: str) -> bool:
        """Returns whether a worker of that name has left state here."""
        return (self.worker_state / worker).is_dir()
