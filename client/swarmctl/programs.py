"""The locations of the programs that `run` starts."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# The line of a swarmd that serves.
READY: Final = re.compile(r"swarmd ready grpc=(?P<grpc>\S+) dashboard=(?P<dashboard>\S+) db=.* pid=\d+")
# The message of a swarmd whose database another swarmd has open.
HELD: Final = re.compile(r"\(pid (?P<pid>\d+)\)")
# A server of our own serves on loopback, whatever the environment says of other servers.
NO_TLS: Final = {f"SWARMD_TLS_{name}": "" for name in ("CERT", "KEY", "CLIENT_CA", "AUTO", "NAME")}


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
