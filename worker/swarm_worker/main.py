"""The program `swarm-worker`: from flags to an exit code. Nothing else."""

import sys
from collections.abc import Sequence

from amplifier_swarm import __version__, light_imports
from amplifier_swarm.exits import ExitCode
from amplifier_swarm.hardening import protect_process
from amplifier_swarm.program import run_main
from amplifier_swarm.standard_streams import print_error
from swarm_worker.config import PROGRAM, read_config, with_state_dir


def main() -> None:
    """Runs the program and ends the process."""
    run_main(PROGRAM, lambda: run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Runs the program and returns its exit code.

    Raises:
        ProgramExit: The program ends with one line on stderr.
    """
    config, note = with_state_dir(read_config(argv, version=__version__))
    if note:
        print_error(f"{PROGRAM}: {note}")
    protect_process()
    light_imports.load_structlog()
    if config.check:
        from swarm_worker.preflight.report import print_report  # noqa: PLC0415  # after load_structlog

        return ExitCode.OK if print_report(config) else ExitCode.NEGATIVE
    if config.lists_workspaces:
        from swarm_worker.execution.workspace_report import print_workspaces  # noqa: PLC0415  # no worker needs it

        print_workspaces(config)
        return ExitCode.OK
    from swarm_worker.worker import serve  # noqa: PLC0415  # imports grpc: after GRPC_VERBOSITY is set

    serve(config, version=__version__)
    return ExitCode.OK


if __name__ == "__main__":
    main()
