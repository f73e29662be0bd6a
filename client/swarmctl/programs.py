"""Where the programs are that `run` starts."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Programs:
    """How to start each, as the beginning of an argv."""

    swarmd: tuple[str, ...]
    worker: tuple[str, ...]


def installed() -> Programs:
    """Those that were installed with this one, whatever PATH says."""
    return Programs(
        swarmd=_program("swarmd", module="swarmd.main"),
        worker=_program("swarm-worker", module="swarm_worker.main"),
    )


def _program(name: str, *, module: str) -> tuple[str, ...]:
    # Unresolved: a virtual environment's interpreter is a link out of it.
    script = Path(sys.executable).with_name(name)
    if script.exists():
        return (str(script),)
    return (sys.executable, "-c", f"from {module} import main; main()")
