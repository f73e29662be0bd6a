"""The settings of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swarmctl.programs import Programs
from swarmctl.run.paths import RunPaths


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The arguments of the command line."""

    programs: Programs
    paths: RunPaths
    workers: int
    project_root: Path
    server_flags: Sequence[str]
    notify: Sequence[str]
    # Completed tasks whose kept work is to land.
    land: Sequence[str]
    # Whether tasks that failed in an earlier run are to run again.
    retry_failed: bool
    # Go on while a task waits for a person.
    wait: bool
    worker_flags: Sequence[str]
