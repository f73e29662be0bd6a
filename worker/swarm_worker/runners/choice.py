"""Chooses the runner, before the worker registers: what could not start a session is an error of the flags."""

import importlib.util
from pathlib import Path

import structlog

from amplifier_swarm.exits import Exit, Exits
from swarm_worker.config import Config
from swarm_worker.runners.base import Runner
from swarm_worker.runners.command import command_runner
from swarm_worker.runners.embedded import EmbeddedRunner

_log = structlog.get_logger()
_INSTALL = "pip install 'amplifier-swarm[embedded]', or use --runner command"


def choose_runner(config: Config, *, project_root: Path) -> Runner:
    """The runner that the flags ask for; raises Exit where it can't work here."""
    if config.runner == "command":
        return command_runner(config, project_root=project_root)
    if config.runner in ("amplifier-agent", "amplifier"):
        raise Exit(
            Exits.USAGE,
            f"the runner {config.runner!r} is not built into this version",
            hint="use --runner embedded or --runner command",
        )
    if importlib.util.find_spec("amplifier_core") is None:
        raise Exit(Exits.USAGE, "the embedded runner needs amplifier-core", hint=_INSTALL)
    if config.runner == "auto":
        _log.info("runner chosen", runner="embedded", why="amplifier-core is installed")
    return EmbeddedRunner()
