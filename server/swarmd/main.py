"""The program `swarmd`: reads the flags, runs the daemon, and exits with a code and at most one line."""

import asyncio
import gc
import os
import sys
from dataclasses import replace
from typing import Final, NamedTuple

from amplifier_swarm import __version__, light_imports
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.old_state import server_state
from amplifier_swarm.settings import read_settings
from amplifier_swarm.state_paths import STATE, ProjectState, make_state_folder, project_state, working_folder
from swarmd.config import ServerConfig

# Performance: 10,000 workers register at once in 10.3 s instead of 12.2 s with Python's default of (700, 10, 10),
# since each collection scans all objects that connections hold (docs/performance.md).
GC_THRESHOLDS: Final = (10_000, 20, 20)
SUMMARY = "Owns the state of a swarm and serves it to workers and people."


def main() -> None:
    """Runs the console script."""
    # The log lines of grpc are not for users; grpc reads the variable at its import.
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
    from amplifier_swarm import logs  # noqa: PLC0415  # after the environment is set above
    from swarmd import daemon  # noqa: PLC0415

    logs.configure("json" if config.log_format == "json" else "text", config.log_level)
    config, project = _with_database(config)
    if config.restore is not None:
        restored = daemon.restore(config, config.restore)
        line = f"db={config.db.absolute()} epoch={restored.epoch} kept={restored.kept or '-'}"
        print(f"swarmd restored {line}")  # noqa: T201  # scripts read it
        return
    gc.set_threshold(*GC_THRESHOLDS)
    asyncio.run(daemon.run(config, project))


class _Located(NamedTuple):
    config: ServerConfig
    project: ProjectState | None


def _with_database(config: ServerConfig) -> _Located:
    """Replaces a default database by that of the project, and moves there what an earlier version left."""
    if not config.db.is_relative_to(STATE):
        return _Located(config, None)
    found = server_state(project_state(working_folder()))
    if found.note:
        print(f"swarmd: {found.note}", file=sys.stderr)  # noqa: T201  # for the person who starts it
    make_state_folder(found.state)
    return _Located(replace(config, db=found.state.path(config.db)), found.state)


if __name__ == "__main__":
    main()
