"""The abilities of a worker to limit sessions and to hide the machine from them.

They are found at its start by trying, announced to the server, and shown by `--check`.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import find_program
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.vocabulary import SandboxName
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.sandbox import NO_LIMITS, NetworkAccess, Resource, ResourceLimits
from swarm_worker.runners.base import Runner
from swarm_worker.runners.programs import run_program
from swarm_worker.sandbox.container import NO_CONTAINERS, ContainerProbe
from swarm_worker.sandbox.visible import Binding, is_visible, read_bindings
from swarm_worker.supervision.limit_groups import LimitGroups, find_limit_groups, machine_size

PROBE_S: Final = 10.0
# Options of bubblewrap 0.8: no further user namespaces, so no way to the parts of the kernel behind them.
NEWER_OPTIONS: Final = ("--disable-userns",)
_PROBE: Final = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"),
    *("--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
)
_INSTALL: Final = "install bubblewrap (apt install bubblewrap, dnf install bubblewrap)"
_ALLOW: Final = "allow user namespaces; docs/sandbox.md names the settings"


class BubblewrapProbe(NamedTuple):
    """The result of starting bubblewrap: its path, or why it can't be used."""

    path: str = ""
    options: Sequence[str] = ()
    can_cut_network: bool = False
    fault: str = ""
    hint: str = ""


# What every session runs in, also of a task that does not ask for it.
ALL_SESSIONS: Final = (SandboxName.BWRAP, SandboxName.CONTAINER)
NO_BUBBLEWRAP: Final = BubblewrapProbe(fault="--sandbox none")


@dataclass(frozen=True, slots=True)
class Abilities:
    """The sandbox and the limits that a worker can enforce."""

    bubblewrap: BubblewrapProbe = NO_BUBBLEWRAP
    # As --sandbox says: what a task gets that asks for none.
    wanted: SandboxName = SandboxName.NONE
    containers: ContainerProbe = NO_CONTAINERS
    # Empty if containers keep the limits.
    limit_groups: LimitGroups = field(default_factory=LimitGroups)
    # The worker's own limits, which hold for every session.
    own_limits: ResourceLimits = NO_LIMITS
    # What sandboxed sessions see besides the system, their programs and the workspace.
    bindings: Sequence[Binding] = ()

    @property
    def sandboxes(self) -> Sequence[SandboxName]:
        """The kinds of sandbox in which the worker runs tasks."""
        if self.wanted in ALL_SESSIONS:
            return (self.wanted,)
        offers = self.wanted is SandboxName.AUTO and self.bubblewrap.path
        return (SandboxName.NONE, SandboxName.BWRAP) if offers else (SandboxName.NONE,)

    def uses_sandbox(self, asked: SandboxName | None, network: NetworkAccess) -> bool:
        """Returns whether a task runs in a sandbox; the server sends no task that asks for what is not offered."""
        if self.wanted in ALL_SESSIONS:
            return True
        return asked in (SandboxName.AUTO, SandboxName.BWRAP) or network is NetworkAccess.NONE

    @property
    def can_cut_network(self) -> bool:
        """Returns whether its sandboxes can be without a network."""
        return self.bubblewrap.can_cut_network or self.containers.can_cut_network

    @property
    def limitable(self) -> Collection[Resource]:
        """The resources that can be limited."""
        found = self.containers.limits if self.containers.runtime else self.limit_groups.parents
        return frozenset(found)

    @property
    def highest(self) -> ResourceLimits:
        """The highest limits that can be kept; 0 for what can't be limited."""
        if not self.containers.runtime:
            return self.limit_groups.highest
        size, limitable = machine_size(), self.limitable
        memory, cpus, pids = (size.limit_of(each) if each in limitable else 0 for each in Resource)
        return ResourceLimits(int(memory), float(cpus), int(pids))

    @property
    def limits_fault(self) -> str:
        """Why the other resources can't be limited."""
        return self.containers.limits_fault if self.containers.runtime else self.limit_groups.reason

    def remove_leftovers(self, mark: str, env: Mapping[str, str]) -> None:
        """Removes the containers that the former process of the state folder with that mark has left.

        Raises:
            ProgramExit: a container does not go.
        """
        if self.containers.runtime is not None:
            from swarm_worker.sandbox.container_probe import remove_leftover_containers  # noqa: PLC0415  # as above

            remove_leftover_containers(self.containers.runtime, env, mark)

    def register(self, request: wire.ClaimTaskRequest) -> None:
        """Adds what the server needs to know."""
        limits = self.highest.lowest(self.own_limits)
        request.enforcement.CopyFrom(
            task_pb2.Enforcement(
                sandboxes=[
                    task_pb2.SandboxKind.Value(f"SANDBOX_KIND_{kind.name}") for kind in self.sandboxes
                ],
                no_network=self.can_cut_network,
                limits=task_pb2.ResourceLimits(
                    memory_bytes=limits.memory_bytes, cpus=limits.cpus, threads=limits.pids
                ),
            )
        )


NO_ABILITIES: Final = Abilities()


def find_abilities(
    config: WorkerConfig, runner: Runner, project_root: Path, env: Mapping[str, str]
) -> Abilities:
    """Tries what --sandbox and the limits ask for.

    Raises:
        ProgramExit: it was asked for and can't be enforced, or a path of --sandbox-bind does not exist.
    """
    wanted, bindings = SandboxName(config.sandbox), read_bindings(config.sandbox_bind)
    probe, containers = NO_BUBBLEWRAP, NO_CONTAINERS
    if wanted is not SandboxName.NONE:
        blocked = _home_fault(project_root, env) or _runner_fault(runner, bindings)
        if wanted is SandboxName.CONTAINER:
            containers = _refused(blocked) or _probe_containers(config, env)
        else:
            probe = blocked or probe_bubblewrap(project_root, env)
    asked = containers if wanted is SandboxName.CONTAINER else probe
    if wanted in ALL_SESSIONS and asked.fault:
        raise ProgramExit(
            ExitCode.USAGE, f"--sandbox {wanted} is refused here: {asked.fault}", hint=asked.hint
        )
    own = ResourceLimits(config.limit_memory, config.limit_cpus, config.limit_pids)
    groups = LimitGroups() if containers.runtime else find_limit_groups()
    # The programs of the system's folders are those of the image.
    given = [path for path in runner.needed_paths if not (containers.runtime and is_visible(path))]
    needed = [Binding(path) for path in given if path.exists()]
    found = Abilities(probe, wanted, containers, groups, own, [*needed, *bindings])
    for resource in Resource:
        if own.limit_of(resource) and resource not in found.limitable:
            text = f"--limit-{resource} can't be enforced here: {found.limits_fault}"
            raise ProgramExit(ExitCode.USAGE, text, hint="see docs/sandbox.md, or leave the flag out")
    return found


def _probe_containers(config: WorkerConfig, env: Mapping[str, str]) -> ContainerProbe:
    from swarm_worker.sandbox.container_probe import probe_containers  # noqa: PLC0415  # other workers do without

    return probe_containers(config.sandbox_image, config.sandbox_runtime, env)


def _refused(blocked: BubblewrapProbe | None) -> ContainerProbe | None:
    return None if blocked is None else ContainerProbe(fault=blocked.fault, hint=blocked.hint)


def _runner_fault(runner: Runner, bindings: Sequence[Binding]) -> BubblewrapProbe | None:
    """Returns why the runner's sessions can't run in a sandbox: it keeps them in the home folder, which is private."""
    writable = [each.path for each in bindings if each.writable]
    for folder in runner.session_folders:
        if not any(folder.is_relative_to(path) for path in writable):
            text = f"the runner {runner.name} keeps its sessions in {folder}, which sandboxed sessions do not have"
            return BubblewrapProbe(
                fault=text, hint=f"pass --sandbox-bind {folder}:rw, and read docs/sandbox.md"
            )
    return None


def _home_fault(project_root: Path, env: Mapping[str, str]) -> BubblewrapProbe | None:
    """Returns why no sandbox could hide the home folder, if it is in the workspace."""
    home = Path(os.path.realpath(env.get("HOME") or "/nowhere"))
    if not home.is_relative_to(os.path.realpath(project_root)):
        return None
    text = f"the project root {project_root} contains the home folder, so nothing of it would be hidden"
    return BubblewrapProbe(fault=text, hint="pass a --project-root below it")


def probe_bubblewrap(project_root: Path, env: Mapping[str, str]) -> BubblewrapProbe:
    """Starts bubblewrap with the namespaces of a session."""
    if blocked := _home_fault(project_root, env):
        return blocked
    path = find_program("bwrap", path=env.get("PATH", os.defpath))
    if path is None:
        return BubblewrapProbe(fault="bwrap is not on PATH", hint=_INSTALL)
    fault = ""
    # The best comes first, so that one start is enough on most machines.
    for network in (("--unshare-net",), ()):
        for options in (NEWER_OPTIONS, ()):
            fault = _fault_of((path, *_PROBE, *options, *network, "--", "true"))
            if not fault:
                return BubblewrapProbe(path, options, can_cut_network=bool(network))
    return BubblewrapProbe(fault=fault, hint=_ALLOW)


def _fault_of(argv: Sequence[str]) -> str:
    """Returns why the command fails; empty if it succeeds."""
    answer = run_program(argv, env=os.environ, cwd=Path(), timeout_s=PROBE_S)
    return "" if answer.code == 0 else answer.error_line
