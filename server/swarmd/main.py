"""The program `swarmd`: reads the flags, runs the daemon, and exits with a code and at most one line."""

import asyncio
import gc
import os
from dataclasses import replace
from typing import Final, NamedTuple

from amplifier_swarm import __version__, light_imports
from amplifier_swarm.descriptors import raise_descriptor_limit
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.hardening import protect_process
from amplifier_swarm.old_state import server_state
from amplifier_swarm.program import check_threads, run_main
from amplifier_swarm.settings import read_settings
from amplifier_swarm.standard_streams import print_error, print_line
from amplifier_swarm.state_paths import STATE, ProjectState, project_state, working_folder
from amplifier_swarm.text import is_utf8, printable
from swarmd.config import ServerConfig

PROGRAM: Final = "swarmd"
# Performance: 10,000 workers register at once in 10.3 s instead of 12.2 s with Python's default of (700, 10, 10),
# since each collection scans all objects that connections hold (docs/performance.md).
GC_THRESHOLDS: Final = (10_000, 20, 20)
# The writer, the readers, gRPC and a margin.
THREADS: Final = 16
SUMMARY = "Owns the state of a swarm and serves it to workers and people."


def main() -> None:
    """Runs the program and ends the process."""
    run_main(PROGRAM, _run)


def _run() -> int:
    os.umask(0o077)
    config = read_settings(
        ServerConfig, program=PROGRAM, prefix="SWARMD", summary=SUMMARY, version=__version__
    )
    config, project = _with_database(config)
    if not is_utf8(str(config.db.absolute())):
        raise ProgramExit(
            ExitCode.USAGE,
            f"--db {printable(str(config.db.absolute()))} is not valid UTF-8, which SQLite needs",
            hint="use another folder",
        )
    protect_process()
    light_imports.load_structlog()
    from amplifier_swarm import logs  # noqa: PLC0415  # after load_structlog
    from swarmd import daemon, maintenance  # noqa: PLC0415

    logs.configure("json" if config.log_format == "json" else "text", config.log_level)
    if config.restore is not None:
        restored = maintenance.restore(config, config.restore)
        line = f"db={config.db.absolute()} epoch={restored.epoch} kept={restored.kept or '-'}"
        print_line(f"{PROGRAM} restored {line}")  # scripts read it
    if config.compact:
        sizes = maintenance.compact(config)
        line = f"db={config.db.absolute()} before={sizes.before} after={sizes.after}"
        print_line(f"{PROGRAM} compacted {line}")  # scripts read it
    if config.restore is not None or config.compact:
        return ExitCode.OK
    check_threads(THREADS)
    raise_descriptor_limit()  # each connection needs one
    gc.set_threshold(*GC_THRESHOLDS)
    asyncio.run(daemon.run(config, project))
    return ExitCode.OK


class _Located(NamedTuple):
    config: ServerConfig
    project: ProjectState | None


def _with_database(config: ServerConfig) -> _Located:
    """Replaces a default database by that of the project, and moves there what an earlier version left."""
    if not config.db.is_relative_to(STATE):
        return _Located(config, None)
    found = server_state(project_state(working_folder()))
    if found.note:
        print_error(f"{PROGRAM}: {found.note}")
    return _Located(replace(config, db=found.state.path(config.db)), found.state)


if __name__ == "__main__":
    main()
