"""The report of `swarm-worker --check`: the probes of a start and more, one line each, without a server."""

import os
from collections.abc import Iterator, Mapping
from typing import Final

from amplifier_swarm import logs
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.standard_streams import print_line
from amplifier_swarm.vocabulary import RunnerName
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.environment import base_environment
from swarm_worker.preflight.ask import ask_model
from swarm_worker.preflight.enforcement import probe_enforcement
from swarm_worker.preflight.probe import Probe
from swarm_worker.preflight.selection import create_preflight
from swarm_worker.prompts.build import check_overrides
from swarm_worker.runners.selection import choose_runner
from swarm_worker.startup import project_root

UNPROVEN: Final = (
    "not asked, so it is not proven that a session starts, that the key is valid and that the model answers; "
    "--check --ask asks for one word"
)
NOT_ASKED: Final = "not asked, since a check failed"


def print_report(config: WorkerConfig) -> bool:
    """Prints one line a probe and returns True if all succeeded."""
    logs.configure(config.log_format, config.log_level)
    found = list(run_probes(config, os.environ))
    for probe in found:
        print_line(probe.line())
    return all(probe.ok for probe in found)


def run_probes(config: WorkerConfig, own: Mapping[str, str]) -> Iterator[Probe]:
    """Runs all probes and yields their results.

    Raises:
        ProgramExit: the project root is not a directory.
    """
    root = project_root(config.project_root)
    env = base_environment(own, passed=config.pass_env)
    try:
        check_overrides(root, config.prompts)
        runner = choose_runner(config, project_root=root, own=own, env=env)
    except ProgramExit as end:
        yield Probe("runner", end.message, ok=False, hint=end.hint)
        return
    preflight = create_preflight(
        runner, project_root=root, own=own, env=env, passed=config.pass_env, roles=config.roles
    )
    found = preflight.report()
    yield from found
    yield from probe_enforcement(config, runner, project_root=root, env=env)
    if runner.name == RunnerName.EMBEDDED:
        return
    if config.ask and all(probe.ok for probe in found):
        yield from ask_model(runner, roles=config.roles, project_root=root, env=env)
    else:
        yield Probe("model", NOT_ASKED if config.ask else UNPROVEN, unproven=True)
