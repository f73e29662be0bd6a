"""Probes of podman: whether it starts a container of the image here, and which limits such a container gets."""

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import find_program
from swarm_worker.domain.sandbox import NO_LIMITS, Resource, ResourceLimits
from swarm_worker.guard.containers import SessionContainer, end_container
from swarm_worker.guard.marked import STATE_MARKER
from swarm_worker.runners.programs import ProgramAnswer, run_program
from swarm_worker.sandbox.container import (
    LABEL,
    ContainerProbe,
    ContainerRuntime,
    ContainerSettings,
    client_env,
    contained_argv,
    container_name,
)
from swarm_worker.sandbox.seccomp import container_profile
from swarm_worker.sandbox.visible import SandboxView
from swarm_worker.storage.private_folder import make_private

CALL_S: Final = 30.0
PROFILES: Final = (Path("/etc/containers/seccomp.json"), Path("/usr/share/containers/seccomp.json"))
PROBE_LIMITS: Final = ResourceLimits(64 * 1024**2, 0.5, 64)
# The file of each limit in a container, for both versions of control groups, and what it then says.
LIMIT_FILES: Final = {
    Resource.MEMORY: (("memory.max", "memory/memory.limit_in_bytes"), str(PROBE_LIMITS.memory_bytes)),
    Resource.CPUS: (("cpu.max", "cpu/cpu.cfs_quota_us"), "50000"),
    Resource.PIDS: (("pids.max", "pids/pids.max"), str(PROBE_LIMITS.pids)),
}
# Prints the file that there is, or nothing.
READ_LIMIT: Final = "for file in {}; do cat /sys/fs/cgroup/$file 2>/dev/null && break; done; echo"


def probe_containers(image: str, runtime: str, env: Mapping[str, str]) -> ContainerProbe:
    """Starts containers of the image as a session's, with and without a network, and with limits."""
    if os.geteuid() != 0:
        return _refused(
            "podman of an ordinary user was not proven to end with its session", "use --sandbox bwrap"
        )
    try:
        words = shlex.split(runtime)
    except ValueError as error:
        return _refused(
            f"--sandbox-runtime {runtime!r} can't be split into words: {error}", "mend its quotes"
        )
    cut = words.index("run") if "run" in words else len(words)
    program, run_options = words[:cut], words[cut + 1 :]
    found = find_program(program[0], path=env.get("PATH", os.defpath)) if program else None
    if found is None:
        return _refused(f"{(program or ['podman'])[0]} is not on PATH", "install podman (apt install podman)")
    made = ContainerRuntime((found, *program[1:]), run_options, image)
    return _missing(made, client_env(env, os.environ)) or _tried(made, env)


def _missing(runtime: ContainerRuntime, own: Mapping[str, str]) -> ContainerProbe | None:
    """Returns what is not there of what every container needs."""
    if _output(runtime, own, "info", "--format", "{{.Host.ServiceIsRemote}}").strip() != "false":
        hint = "pass podman itself: what a daemon starts is not below the worker, and can't be proven ended"
        text = f"{' '.join(runtime.program)} gives no answer as a podman that starts containers itself"
        return _refused(text, hint)
    if _called([*runtime.program, "image", "exists", runtime.image], own).code != 0:
        return _refused(f"the image {runtime.image} is not on this machine", f"podman pull {runtime.image}")
    if not any(path.is_file() for path in PROFILES):
        return _refused(
            f"podman's profile of system calls is not at {PROFILES[-1]}", "install containers-common"
        )
    return None


def write_profile(file: Path) -> Path:
    """Writes the profile of system calls for containers and returns its file. Raises OSError, ValueError."""
    given = next((path for path in PROFILES if path.is_file()), PROFILES[-1])
    file.write_text(container_profile(given.read_text(encoding="utf-8")), encoding="utf-8")
    return file


def remove_leftover_containers(runtime: ContainerRuntime, env: Mapping[str, str], mark: str) -> None:
    """Removes the containers of a state folder's former process.

    Raises:
        ProgramExit: a container does not go.
    """
    own = client_env(env, os.environ)
    listed = ("ps", "--all", "--filter", f"label={LABEL}={mark}", "--format", "{{.Names}}")
    for name in _output(runtime, own, *listed).split():
        if not end_container(SessionContainer(name, runtime.program), own):
            text = f"the container {name} of a former worker's session can't be removed"
            raise ProgramExit(ExitCode.CONFLICT, text, hint=f"podman rm --force {name}")


def _refused(fault: str, hint: str) -> ContainerProbe:
    return ContainerProbe(fault=fault, hint=hint)


def _tried(runtime: ContainerRuntime, env: Mapping[str, str]) -> ContainerProbe:
    with TemporaryDirectory(prefix="swarm-check-") as folder:
        place = Path(folder)
        try:
            runtime = replace(runtime, seccomp=write_profile(place / "seccomp.json"))
        except (OSError, ValueError) as error:
            return _refused(f"podman's profile of system calls can't be used: {error}", "see docs/sandbox.md")
        make_private(place / "private")
        done, fault = _run(runtime, place, env, "true", network=False), ""
        can_cut = done.code == 0
        if not can_cut:
            fault = done.error_line
            done = _run(runtime, place, env, "true", network=True)
        if done.code != 0:
            return _refused(f"no container can be started: {fault}", "see docs/sandbox.md")
        limits, why = _limits(runtime, place, env, network=not can_cut)
    return ContainerProbe(replace(runtime, seccomp=None), can_cut, limits, why)


class _Limits(NamedTuple):
    found: Collection[Resource]
    fault: str


def _limits(runtime: ContainerRuntime, place: Path, env: Mapping[str, str], *, network: bool) -> _Limits:
    script = "; ".join(READ_LIMIT.format(" ".join(files)) for files, _ in LIMIT_FILES.values())
    done = _run(runtime, place, env, "sh", "-c", script, network=network, limits=PROBE_LIMITS)
    if done.code != 0:
        return _Limits((), done.error_line)
    said = done.out.split()
    found = [resource for resource, (_, text) in LIMIT_FILES.items() if text in said]
    return _Limits(found, "" if len(found) == len(LIMIT_FILES) else "podman does not set them here")


def _run(
    runtime: ContainerRuntime,
    place: Path,
    env: Mapping[str, str],
    *argv: str,
    network: bool,
    limits: ResourceLimits = NO_LIMITS,
) -> ProgramAnswer:
    name, own = container_name(env), client_env(env, os.environ)
    view = SandboxView(place / "private", Path("/var/home"), ())
    shown = {"PATH": os.defpath, STATE_MARKER: env.get(STATE_MARKER, "probe")}
    settings = ContainerSettings(name, Path("/"), network, shown, limits=limits, is_probe=True)
    try:
        return _called(contained_argv(runtime, view, argv, settings), own)
    finally:
        end_container(SessionContainer(name, runtime.program), own)


def _called(argv: Sequence[str], env: Mapping[str, str]) -> ProgramAnswer:
    return run_program(argv, env=env, cwd=Path(), timeout_s=CALL_S)


def _output(runtime: ContainerRuntime, env: Mapping[str, str], *arguments: str) -> str:
    return _called([*runtime.program, *arguments], env).out
