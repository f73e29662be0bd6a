"""`swarmd`: reads the flags, runs the daemon, ends with a code and at most one line."""

import asyncio
import gc
import os
import sys
from typing import Final

from amplifier_swarm import __version__, light_imports
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.settings import read_settings
from swarmd.config import ServerConfig

# Each collection looks through what connections hold, which is no garbage: ten thousand that join at once cost a
# fifth more with Python's own (700, 10, 10).
COLLECT: Final = (10_000, 20, 20)
SUMMARY = "Owns the state of a swarm and serves it to workers and people."


def main() -> None:
    """The console script."""
    # grpc's own log lines are no talk for people; it reads the variable when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.umask(0o077)
    try:
        config = read_settings(
            ServerConfig, program="swarmd", prefix="SWARMD", summary=SUMMARY, version=__version__
        )
        _run(config)
    except ProgramExit as end:
        print(end.line("swarmd"), file=sys.stderr)  # noqa: T201  # the one line
        sys.exit(end.code)


def _run(config: ServerConfig) -> None:
    light_imports.load_structlog()
    from amplifier_swarm import logs  # noqa: PLC0415  # after the variable above
    from swarmd import daemon  # noqa: PLC0415

    logs.configure("json" if config.log_format == "json" else "text", config.log_level)
    if config.restore is not None:
        restored = daemon.restore(config, config.restore)
        line = f"db={config.db.absolute()} epoch={restored.epoch} kept={restored.kept or '-'}"
        print(f"swarmd restored {line}")  # noqa: T201  # what a script reads
        return
    gc.set_threshold(*COLLECT)
    asyncio.run(daemon.run(config))


if __name__ == "__main__":
    main()
