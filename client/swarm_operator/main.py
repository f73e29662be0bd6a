"""The program `swarm-operator`: from flags to an exit code. Nothing else."""

import asyncio
from typing import Final

from amplifier_swarm import __version__, light_imports
from amplifier_swarm.channel import Endpoint, check_address
from amplifier_swarm.credentials import find_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.program import run_main
from amplifier_swarm.settings import read_settings
from swarm_operator.config import OperatorConfig

PROGRAM: Final = "swarm-operator"
SUMMARY: Final = "Brings SwarmPlans of a Kubernetes namespace to a swarmd, and the state of their tasks back."


def main() -> None:
    """Runs the program and ends the process."""
    run_main(PROGRAM, _run)


def _run() -> int:
    config = read_settings(
        OperatorConfig, program=PROGRAM, prefix="SWARM_OPERATOR", summary=SUMMARY, version=__version__
    )
    light_imports.load_structlog()
    from amplifier_swarm import logs  # noqa: PLC0415  # after load_structlog

    try:
        from swarm_operator.handlers import run_operator  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"{error.name} is missing", hint="pip install 'amplifier-swarm[k8s]'"
        ) from error
    from swarmctl.api.connection import Connection  # noqa: PLC0415  # gRPC

    logs.configure(config.log_format, config.log_level)
    server = check_address(config.server, name="--server")
    connection = Connection(Endpoint(server, find_token(config.token_file), config.tls_ca))
    try:
        asyncio.run(run_operator(config, connection))
    finally:
        connection.close()
    return ExitCode.OK


if __name__ == "__main__":
    main()
