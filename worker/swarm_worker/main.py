"""The program `swarm-worker`: from flags to an exit code. Nothing else."""

import os
import signal
import sys
from collections.abc import Sequence

from amplifier_swarm import __version__, light_imports
from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.config import PROGRAM, WorkerConfig, read_config, with_state_dir


def main() -> None:
    """Runs the program and ends the process."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Runs the program and returns its exit code; an expected end is one line on stderr."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before grpc is imported anywhere
    try:
        config, note = with_state_dir(read_config(argv, version=__version__))
        if note:
            print(f"{PROGRAM}: {note}", file=sys.stderr)  # noqa: T201  # logs are not configured yet
        light_imports.load_structlog()
        if config.check:
            return _check(config)
        _serve(config)
    except ProgramExit as end:
        print(end.line(PROGRAM), file=sys.stderr)  # noqa: T201  # the only place that prints
        return end.code
    except KeyboardInterrupt:  # before the worker runs and handles signals itself
        return 128 + signal.SIGINT
    return ExitCode.OK


def _check(config: WorkerConfig) -> int:
    from swarm_worker.preflight.report import print_report  # noqa: PLC0415  # after load_structlog

    return ExitCode.OK if print_report(config) else ExitCode.NEGATIVE


def _serve(config: WorkerConfig) -> None:
    from swarm_worker.worker import serve  # noqa: PLC0415  # imports grpc: after GRPC_VERBOSITY is set

    serve(config, version=__version__)


if __name__ == "__main__":
    main()
