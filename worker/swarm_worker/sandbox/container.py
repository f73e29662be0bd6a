"""The command line of podman around one program: one container per session, removed with its end.

The root is that of an image, read-only; the workspace and what else a session may see is mounted in its own place.
The session has no capabilities and can't get any, and its own processes, hostname, IPC and, if wanted, network.

Invariant: no path goes into a mount that podman would read as something else. podman separates options by commas.
"""

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from swarm_worker.domain.sandbox import NO_LIMITS, Resource, ResourceLimits
from swarm_worker.guard.marked import STATE_MARKER
from swarm_worker.sandbox.visible import SECRETS_OF_PROC, SandboxView
from swarm_worker.storage import private_folder as private

SHELL: Final = "/bin/sh"
# The shell is the first process, reaps, and ends with the program; the kernel then ends the rest of the container.
FIRST_PROCESS: Final = '"$@"; exit $?'
# The counts of reached limits go with the container. So with limits it stays until the guard has signalled twice: the
# guard reads the counts before each signal, and at least once after the program's end.
FIRST_PROCESS_LIMITED: Final = (
    '"$@"; code=$?; trap \'[ "$seen" ] && exit $code; seen=1\' USR1;'
    " for second in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & wait $!; done; exit $code"
)
LABEL: Final = "swarm.state"
NO_MARK: Final = "none"
# Variables of the worker by which podman finds its settings and its store.
OWN_VARIABLES: Final = ("CONTAINERS_", "XDG_", "DBUS_SESSION_BUS_ADDRESS")
# What shows control groups and the kernel of the machine.
HIDDEN_OF_SYS: Final = ("/sys/fs", "/sys/kernel", "/sys/firmware", "/sys/module")


@dataclass(frozen=True, slots=True)
class ContainerRuntime:
    """podman as the operator calls it, and the image of all containers."""

    # The program and its options.
    program: Sequence[str]
    # Options of each run, before our own.
    run_options: Sequence[str]
    image: str
    # The file with the profile of system calls; None for podman's own.
    seccomp: Path | None = None


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """The settings of one container besides the files that it sees."""

    name: str
    cwd: Path
    network: bool
    # The session's variables. Their values stay out of the command line, which all users of the machine can read.
    env: Mapping[str, str]
    umask: int = 0o022
    limits: ResourceLimits = NO_LIMITS
    # Whether it has no guard, and shows its control group.
    is_probe: bool = False


class ContainerProbe(NamedTuple):
    """The result of starting containers: how, with which limits, or why it is not possible."""

    runtime: ContainerRuntime | None = None
    can_cut_network: bool = False
    limits: Collection[Resource] = ()
    limits_fault: str = ""
    fault: str = ""
    hint: str = ""


NO_CONTAINERS: Final = ContainerProbe(fault="--sandbox is not container")


def container_name(env: Mapping[str, str]) -> str:
    """Returns a new name; it begins with the mark of the worker's state folder."""
    return f"swarm-{env.get(STATE_MARKER, NO_MARK)}-{os.urandom(8).hex()}"


def contained_argv(
    runtime: ContainerRuntime, view: SandboxView, argv: Sequence[str], settings: ContainerSettings
) -> Sequence[str]:
    """Returns the command that starts the program in its container.

    Raises:
        OSError: a path that has to be mounted has a comma in it.
    """
    counted = not settings.is_probe and (settings.limits.memory_bytes or settings.limits.pids)
    return [
        *(*runtime.program, "run", *runtime.run_options),
        *_identity(settings),
        *_restrictions(runtime, settings),
        *_limits(settings.limits),
        *_variables(settings.env, view.home),
        *_files(view),
        *("--workdir", str(settings.cwd), "--entrypoint", SHELL, runtime.image),
        *("-c", FIRST_PROCESS_LIMITED if counted else FIRST_PROCESS, SHELL, *argv),
    ]


def client_env(env: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of podman itself: the session's, and of the worker's own what podman needs."""
    return {**{name: value for name, value in own.items() if name.startswith(OWN_VARIABLES)}, **env}


def _identity(settings: ContainerSettings) -> Iterator[str]:
    yield from ("--name", settings.name, "--label", f"{LABEL}={settings.env.get(STATE_MARKER, NO_MARK)}")
    yield from ("--interactive", "--pull", "never", "--log-driver", "none", "--hostname", "sandbox")
    yield from ("--user", f"{os.getuid()}:{os.getgid()}", "--umask", f"{settings.umask:04o}")


def _restrictions(runtime: ContainerRuntime, settings: ContainerSettings) -> Iterator[str]:
    yield from ("--network", "host" if settings.network else "none", "--read-only", "--read-only-tmpfs=false")
    yield from ("--cap-drop", "all", "--security-opt", "no-new-privileges", "--security-opt", "label=disable")
    if runtime.seccomp is not None:
        yield from ("--security-opt", f"seccomp={runtime.seccomp}")
    hidden = [f"/proc/{name}" for name in SECRETS_OF_PROC]
    if not settings.is_probe:
        hidden += HIDDEN_OF_SYS
    yield from ("--security-opt", f"mask={':'.join(hidden)}")


def _limits(limits: ResourceLimits) -> Iterator[str]:
    if limits.memory_bytes:
        yield from ("--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes))
    if limits.cpus:
        yield from ("--cpus", f"{limits.cpus:g}")
    # Without a limit of the task, podman would set one of its own.
    yield from ("--pids-limit", str(limits.pids or -1))


def _variables(env: Mapping[str, str], home: Path) -> Iterator[str]:
    yield "--http-proxy=false"
    for name in sorted(env.keys() - {"HOME", "TMPDIR"}):
        yield from ("--env", name)
    yield from ("--env", f"HOME={home}", "--env", "TMPDIR=/tmp")


def _files(view: SandboxView) -> Iterator[str]:
    """Yields the mounts; podman orders them by depth and refuses two in one place, so the last of each place counts."""
    mounts = {view.home: _bind(view.private / private.HOME, view.home, writable=True)}
    for place in (Path("/tmp"), Path("/var/tmp")):  # noqa: S108  # the session's own
        mounts[place] = _bind(view.private / private.TMP, place, writable=True)
    for path, writable in view.bindings:
        mounts[path] = _bind(path, path, writable=writable)
    for folder in view.hidden_folders:
        mounts[folder] = f"type=tmpfs,dst={_safe(folder)},ro=true,tmpfs-size=64k"
    for file in view.hidden_files:
        mounts[file] = _bind(Path("/dev/null"), file, writable=False)
    for path in view.shown:
        mounts[path] = _bind(path, path, writable=False)
    for mount in mounts.values():
        yield from ("--mount", mount)


def _bind(source: Path, place: Path, *, writable: bool) -> str:
    # What is mounted below a read-only folder would stay writable, so the folder is mounted without it.
    end = "" if writable else ",ro=true,bind-nonrecursive"
    return f"type=bind,src={_safe(source)},dst={_safe(place)}{end}"


def _safe(path: Path) -> Path:
    if "," in str(path):
        raise OSError(errno.EINVAL, "a path with a comma can't be mounted in a container", str(path))
    return path
