"""The locations of the programs that `run` starts."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Programs:
    """The beginnings of the argv lists that start swarmd and swarm-worker."""

    swarmd: tuple[str, ...]
    worker: tuple[str, ...]


def installed() -> Programs:
    """Returns the programs that were installed together with this one, whatever PATH says."""
    return Programs(
        swarmd=_program("swarmd", module="swarmd.main"),
        worker=_program("swarm-worker", module="swarm_worker.main"),
    )


def _program(name: str, *, module: str) -> tuple[str, ...]:
    # The path is not resolved: a virtual environment's interpreter is a link to a place outside.
    script = Path(sys.executable).with_name(name)
    if script.exists():
        return (str(script),)
    # Without -P, modules of the current folder, such as a logging.py of the project, would shadow ours.
    return (sys.executable, "-P", "-c", f"from {module} import main; main()")
