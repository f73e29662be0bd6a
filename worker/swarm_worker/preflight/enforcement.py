"""Probes of what the worker can enforce on sessions: the sandbox, and a limit of each resource."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.vocabulary import SandboxName
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.sandbox import Resource
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.execution.trial import trial_plan
from swarm_worker.guard.containers import end_container
from swarm_worker.preflight.probe import Probe
from swarm_worker.runners.base import Runner
from swarm_worker.runners.programs import run_program
from swarm_worker.sandbox.abilities import ALL_SESSIONS, Abilities, find_abilities
from swarm_worker.sandbox.bwrap import Bubblewrap
from swarm_worker.sandbox.confinement import Confinement
from swarm_worker.supervision.model import Launch

START_S: Final = 20.0
# Looks for the program as a shell does, and starts nothing.
FIND: Final = ("/bin/sh", "-c", 'command -v "$1" >/dev/null || { echo "$1 is not there" >&2; exit 1; }', "sh")


def probe_enforcement(
    config: WorkerConfig, runner: Runner, *, project_root: Path, env: Mapping[str, str]
) -> Iterator[Probe]:
    """Tries the sandbox with the runner's own programs, and each limit; yields a line for both."""
    try:
        abilities = find_abilities(config, runner, project_root, env)
    except ProgramExit as end:
        yield Probe("sandbox", end.message, ok=False, hint=end.hint)
        return
    yield _probe_sandbox(config, abilities, runner, project_root=project_root, env=env)
    yield _probe_limits(abilities)


def _probe_sandbox(
    config: WorkerConfig, abilities: Abilities, runner: Runner, *, project_root: Path, env: Mapping[str, str]
) -> Probe:
    found = abilities.containers if abilities.containers.runtime else abilities.bubblewrap
    if abilities.wanted is SandboxName.NONE:
        return Probe("sandbox", "not offered (--sandbox none); tasks that ask for one go to other workers")
    if found.fault:
        text = f"tasks that ask for one go to other workers: {found.fault}; {found.hint}"
        return Probe("sandbox", text)
    bubblewrap = Bubblewrap(abilities.bubblewrap.path, abilities.bubblewrap.options)
    confinement = Confinement(
        bubblewrap=bubblewrap, container=abilities.containers.runtime, bindings=abilities.bindings,
        workspace=project_root,
    )  # fmt: skip
    for role in config.roles:
        if fault := _start_fault(confinement, runner, role, project_root, env):
            hint = "pass --sandbox-bind PATH for what it needs"
            needed = abilities.wanted in ALL_SESSIONS
            text = f"the {role} can't be started in it: {fault}"
            return Probe("sandbox", text, ok=not needed, warning=True, hint=hint)
    network = "with and without a network" if found.can_cut_network else "with the network only"
    whom = "every session" if abilities.wanted in ALL_SESSIONS else "tasks that ask for one"
    maker = f"podman with {config.sandbox_image}" if abilities.containers.runtime else "bubblewrap"
    return Probe("sandbox", f"{maker} makes one for {whom}, {network}")


def _start_fault(
    confinement: Confinement, runner: Runner, role: Role, root: Path, env: Mapping[str, str]
) -> str:
    """Returns why a sandbox does not have the program of a role; empty if it has."""
    with TemporaryDirectory(prefix="swarm-check-") as folder:
        place = Path(folder)
        plan = trial_plan(SessionId("check"), role=role, project_root=root, prompt_file=place / "prompt.md")
        argv = runner.argv(plan)
        launch = Launch(argv, root, env, place / "lock")
        confined = confinement.confine(launch, place / "private")
        outer = confined.argv[: len(confined.argv) - len(argv)]
        try:
            found = run_program([*outer, *FIND, argv[0]], env=confined.env, cwd=root, timeout_s=START_S)
        finally:
            if confined.container is not None:
                end_container(confined.container, confined.env)
    return "" if found.code == 0 else found.error_line


def _probe_limits(abilities: Abilities) -> Probe:
    can = [abilities.highest.described(resource) for resource in Resource if resource in abilities.limitable]
    cannot = [resource.value for resource in Resource if resource not in abilities.limitable]
    parts = []
    if can:
        parts.append(f"can be set, up to the size of this machine: {', '.join(can)}")
    if cannot:
        parts.append(f"tasks that limit {', '.join(cannot)} go to other workers: {abilities.limits_fault}")
    return Probe("limits", "; ".join(parts))
