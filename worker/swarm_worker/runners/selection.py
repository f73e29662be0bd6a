"""The choice of the runner, made before the worker registers: a runner that can't start sessions is a usage error.

Invariant: only the chosen runner's modules are imported.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from amplifier_swarm.amplifier import LibraryPython, agent_path, cli_path, library_python, no_amplifier
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.vocabulary import RunnerName
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.types import Role
from swarm_worker.runners.base import Runner
from swarm_worker.runners.discovery import find_cli, find_engine, find_library

_log = structlog.get_logger()
_INSTALL: Final = "pip install 'amplifier-swarm[embedded]', or use --runner command"


def choose_runner(
    config: WorkerConfig,
    *,
    project_root: Path,
    own: Mapping[str, str] = os.environ,
    env: Mapping[str, str] | None = None,
) -> Runner:
    """Returns the runner that the flags ask for; `own` is the worker's environment, `env` its sessions'.

    Raises:
        ProgramExit: the runner can't start sessions here.
    """
    env = own if env is None else env
    name = config.runner if config.runner != RunnerName.AUTO else _detect_runner(config, own, env)
    if name == RunnerName.COMMAND:
        from swarm_worker.runners.command import command_runner  # noqa: PLC0415  # see the module

        return command_runner(config, project_root=project_root)
    if name == RunnerName.AMPLIFIER_AGENT:
        return _agent_runner(config, project_root, own, env)
    if name == RunnerName.AMPLIFIER:
        from swarm_worker.runners.cli import CliRunner  # noqa: PLC0415  # see the module

        cli = find_cli(cli_path(env), env=env, cwd=project_root)
        return CliRunner(cli, bundle=config.bundle, validator_bundle=config.validator_bundle, env=env)
    if importlib.util.find_spec("amplifier_core") is None:
        raise ProgramExit(ExitCode.USAGE, "the embedded runner needs amplifier-core", hint=_INSTALL)
    from swarm_worker.runners.embedded import EmbeddedRunner  # noqa: PLC0415  # see the module

    return EmbeddedRunner()


def _detect_runner(config: WorkerConfig, own: Mapping[str, str], env: Mapping[str, str]) -> RunnerName:
    """Returns the best installed Amplifier. The rehearsing runner is never chosen: its results are not real.

    Raises:
        ProgramExit: no Amplifier is installed.
    """
    python = library_python(own, env, named=config.agent_python)
    if path := python.path if python else agent_path(own, env):
        _log.info("runner chosen", runner=RunnerName.AMPLIFIER_AGENT.value, why=f"it is at {path}")
        return RunnerName.AMPLIFIER_AGENT
    if path := cli_path(env):
        _log.warning(
            "runner chosen",
            runner=RunnerName.AMPLIFIER.value,
            why=f"it is at {path}, and amplifier-agent is not on PATH; no mode keeps validators from its writing tools",
        )
        return RunnerName.AMPLIFIER
    raise no_amplifier()


def _agent_runner(config: WorkerConfig, root: Path, own: Mapping[str, str], env: Mapping[str, str]) -> Runner:
    """Returns the runner over the library if there is one, else over the older program."""
    paths = {Role.BUILDER: config.builder_config, Role.VALIDATOR: config.validator_config}
    # A relative path is relative to the worker's folder; sessions run in the project root.
    configs = {role: path.absolute() for role, path in paths.items() if path is not None}
    python = library_python(own, env, named=config.agent_python)
    if python is not None and (found := _library_runner(python, configs, root, own, env)):
        return found
    from swarm_worker.runners.agent import AgentRunner  # noqa: PLC0415  # see the module

    engine = find_engine(agent_path(own, env), env=env, cwd=root)
    if configs and "--config" not in engine.options:
        text = f"amplifier-agent {engine.version} has no --config"
        raise ProgramExit(
            ExitCode.USAGE, text, hint="update it, or leave --builder-config and --validator-config out"
        )
    return AgentRunner(engine, configs=configs, env=env, cwd=root)


def _library_runner(
    python: LibraryPython,
    configs: Mapping[Role, Path],
    root: Path,
    own: Mapping[str, str],
    env: Mapping[str, str],
) -> Runner | None:
    """Returns the runner over the library; None if a library that nobody named is unfit and the program is there."""
    from swarm_worker.runners.library import LibraryRunner  # noqa: PLC0415  # see the module

    try:
        return LibraryRunner(find_library(python, env=env, cwd=root), configs=configs, env=env)
    except ProgramExit as unfit:
        if python.is_named or agent_path(own, env) is None:
            raise
        _log.warning("the program amplifier-agent is used, not the library", why=unfit.message)
        return None
