"""What must stand before the worker registers: everything here is an error of the flags if it can't."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amplifier_swarm.exits import Exit, Exits
from amplifier_swarm.masking import Mask
from swarm_worker.prompting.templates import Templates
from swarm_worker.runners.base import Runner
from swarm_worker.state import StateFolder
from swarm_worker.tracing import SILENT, Tracer


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker starts with, besides its settings."""

    folder: StateFolder
    runner: Runner
    project_root: Path
    env: Mapping[str, str]
    # Knows what of `env` is secret.
    mask: Mask
    version: str
    templates: Templates | None = None
    tracer: Tracer = SILENT


def project_root(path: Path) -> Path:
    """The project root, absolute; raises Exit if sessions could not work in it."""
    root = path.absolute()
    if not root.is_dir():
        raise Exit(Exits.USAGE, f"--project-root {root} is no folder", hint="make it or give another")
    if not os.access(root, os.R_OK | os.X_OK):
        raise Exit(Exits.USAGE, f"--project-root {root} can't be read", hint="check its permissions")
    if not os.access(root, os.W_OK):
        raise Exit(Exits.USAGE, f"--project-root {root} can't be written", hint="check its permissions")
    return root
