"""The files of a run."""

import os
from dataclasses import dataclass
from pathlib import Path

from amplifier_swarm.state_paths import (
    LOGS,
    RUN_WORKERS,
    TOKEN,
    WORKER_TOKEN,
    ProjectState,
    make_private_folder,
    make_state_folder,
    shield_database,
    working_folder,
)


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The files that must outlast a run: all of them lie beside the database."""

    db: Path
    # The state of the project, if the database lies in it.
    project: ProjectState | None = None
    project_root: Path = Path()

    @property
    def announcing(self) -> ProjectState:
        """The state in which the address of the server is published; it lies beside the database."""
        root = Path(os.path.realpath(self.project_root))
        return self.project or ProjectState(root, self.db.parent, self.db.name)

    def note_run(self) -> None:
        """Notes for later commands in this folder and in the project's that this is their latest run."""
        for folder in {working_folder(), self.announcing.project}:
            self.announcing.note_run(folder)

    def make(self) -> str:
        """Makes the folder for its owner alone: its files give full access.

        Returns a warning if git may take the files, else an empty text.
        """
        if self.project is not None:
            make_state_folder(self.project)
        make_private_folder(self.db.parent)
        return shield_database(self.db)

    @property
    def token(self) -> Path:
        """The operator's token; swarmd makes it."""
        return self.db.with_name(TOKEN)

    @property
    def worker_token(self) -> Path:
        """The token of the workers."""
        return self.db.with_name(WORKER_TOKEN)

    def log(self, name: str) -> Path:
        """Returns the log file of one child."""
        return self.db.with_name(LOGS) / f"{name}.log"

    @property
    def worker_state(self) -> Path:
        """The folder in which each worker makes a state folder of its name."""
        return self.db.with_name(RUN_WORKERS)

    @property
    def prompts(self) -> Path:
        """The folder of the copies of the project's own prompts."""
        return self.db.with_name("run-prompts")

    def has_state_of(self, worker: str) -> bool:
        """Returns whether a worker of that name has left state here."""
        return (self.worker_state / worker).is_dir()
