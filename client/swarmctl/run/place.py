"""The files of a run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps what must outlast it: all of it beside the database."""

    db: Path

    @property
    def token(self) -> Path:
        """The operator's token; swarmd makes it."""
        return self.db.with_name("token")

    def log(self, name: str) -> Path:
        """The log of one child."""
        return self.db.with_name("logs") / f"{name}.log"

    @property
    def worker_state(self) -> Path:
        """Where each worker makes a state folder of its name."""
        return self.db.with_name("workers")
