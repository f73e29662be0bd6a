"""The program `swarm-worker`: from flags to an exit code. Nothing else."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from amplifier_swarm import __version__, lean
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.config import PROGRAM, WorkerConfig, read_config


def main() -> None:
    """Runs the program and ends the process."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Runs the program; every end that was foreseen is one line and an exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before grpc is imported anywhere
    try:
        config = read_config(argv, version=__version__)
        lean.load_structlog()
        if config.check:
            return _check(config)
        _serve(config, version=__version__)
    except ProgramExit as end:
        print(end.line(PROGRAM), file=sys.stderr)  # noqa: T201  # the one place where it talks
        return end.code
    except KeyboardInterrupt:  # while nothing ran yet: a worker that runs hears signals in its own way
        return 128 + signal.SIGINT
    return ExitCode.OK


def _check(config: WorkerConfig) -> int:
    """Proves, a line a thing, that sessions could run here."""
    from amplifier_swarm import logs  # noqa: PLC0415  # see _serve
    from swarm_worker.preflight.report import run_probes  # noqa: PLC0415  # see _serve

    logs.configure(config.log_format, config.log_level)
    found = list(run_probes(config, os.environ))
    sys.stdout.writelines(f"{probe.line()}\n" for probe in found)
    return ExitCode.OK if all(probe.ok for probe in found) else ExitCode.NEGATIVE


def _serve(config: WorkerConfig, *, version: str) -> None:
    # Not at the top: what imports grpc comes after GRPC_VERBOSITY is set, and `--check` needs none of it.
    from swarm_worker.preflight.selection import create_preflight  # noqa: PLC0415  # see above
    from swarm_worker.startup import started  # noqa: PLC0415  # see above
    from swarm_worker.worker import run_worker  # noqa: PLC0415  # see above

    with started(config, version=version) as (setup, endpoint):
        create_preflight(
            setup.runner, project_root=setup.project_root, own=os.environ, env=setup.env
        ).require()
        asyncio.run(run_worker(config, setup, endpoint))


if __name__ == "__main__":
    main()
