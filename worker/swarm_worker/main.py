"""The program `swarm-worker`: from flags to an exit code. Nothing else."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from amplifier_swarm import __version__, lean
from amplifier_swarm.exits import Exit, Exits
from swarm_worker.config import PROGRAM, Config, read_config

if TYPE_CHECKING:
    from amplifier_swarm.channel import Endpoint
    from swarm_worker.setup import Setup


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
    except Exit as end:
        print(end.line(PROGRAM), file=sys.stderr)  # noqa: T201  # the one place where it talks
        return end.code
    except KeyboardInterrupt:  # while nothing ran yet: a worker that runs hears signals in its own way
        return 128 + signal.SIGINT
    return Exits.OK


def _check(config: Config) -> int:
    """Proves, a line a thing, that sessions could run here."""
    from amplifier_swarm import logs  # noqa: PLC0415  # see _serve
    from swarm_worker.preflight.check import probes  # noqa: PLC0415  # see _serve

    logs.configure(config.log_format, config.log_level)
    found = list(probes(config, os.environ))
    sys.stdout.writelines(f"{probe.line()}\n" for probe in found)
    return Exits.OK if all(probe.ok for probe in found) else Exits.NEGATIVE


def _serve(config: Config, *, version: str) -> None:
    from amplifier_swarm import logs  # noqa: PLC0415  # what imports grpc comes after its variable is set
    from amplifier_swarm.channel import Endpoint, check_address  # noqa: PLC0415  # see above
    from amplifier_swarm.credentials import find_token  # noqa: PLC0415  # see above
    from amplifier_swarm.masking import Mask  # noqa: PLC0415  # see above
    from swarm_worker.environment import base_environment, secrets_of  # noqa: PLC0415  # see above
    from swarm_worker.preflight.run import preflight_of  # noqa: PLC0415  # see above
    from swarm_worker.prompting.templates import read_templates  # noqa: PLC0415  # see above
    from swarm_worker.runners.choice import choose_runner  # noqa: PLC0415  # see above
    from swarm_worker.setup import Setup, project_root  # noqa: PLC0415  # see above
    from swarm_worker.state import GUARDS_END_S, state_folder, wait_for_guards  # noqa: PLC0415  # see above
    from swarm_worker.tracing import tracer  # noqa: PLC0415  # see above

    env = base_environment(os.environ, passed=config.pass_env)
    mask = Mask(secrets_of(env))
    logs.configure(config.log_format, config.log_level, mask=mask)
    server = check_address(config.server, what="--server")
    root = project_root(config.project_root)
    runner = choose_runner(config, project_root=root, env=env)
    templates = read_templates(root)
    endpoint = Endpoint(server, find_token(config.token_file), config.tls_ca, config.tls_cert, config.tls_key)
    with state_folder(config.state_dir, name=config.name) as folder:
        wait_for_guards(folder, timeout_s=GUARDS_END_S + config.kill_grace)
        folder.forget_sessions()
        preflight_of(runner, project_root=root, own=os.environ, env=env).start()
        spans = tracer(folder.name, version)
        try:
            setup = Setup(folder, runner, root, env, mask, version, templates, spans)
            asyncio.run(_live(config, setup, endpoint))
        finally:
            spans.close()


async def _live(config: Config, setup: "Setup", endpoint: "Endpoint") -> None:
    from swarm_worker.agent import Agent  # noqa: PLC0415  # see _serve
    from swarm_worker.stubs import connected  # noqa: PLC0415  # see _serve

    def ready() -> None:
        sys.stdout.write(
            f"{PROGRAM} ready name={setup.folder.name} server={config.server} runner={setup.runner.name}"
            f" slots={config.slots} pid={os.getpid()}\n"
        )
        sys.stdout.flush()
        gc.freeze()  # what is loaded by now stays for good: no collection need look at it again

    async with connected(endpoint) as stubs:
        agent = Agent(config, setup, stubs, ready=ready)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, agent.terminate)
        loop.add_signal_handler(signal.SIGINT, agent.interrupt)
        await agent.run()


if __name__ == "__main__":
    main()
