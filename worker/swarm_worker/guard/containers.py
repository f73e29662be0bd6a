"""The container that a session runs in: the limits that it reached, and its removal.

podman starts a container below the process that asked for it, so a guard ends its processes as any others. What is left
then is the container's record and its mounts. Only the standard library is imported.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from swarm_worker.guard.limit_groups import EVENTS_1, EVENTS_2, LimitGroup

# How long one call of the runtime may take.
CALL_S: Final = 10.0
# How long a container that does not go is removed again and again.
REMOVE_S: Final = 5.0
RETRY_S: Final = 0.2
# The exit code of `container exists` for a container that is not there.
NOT_THERE: Final = 1
CGROUPS: Final = "/sys/fs/cgroup"


class SessionContainer(NamedTuple):
    """The container of one session; a marshalled plan has it as a plain tuple."""

    name: str
    # The runtime's program and its options.
    runtime: Sequence[str]
    # The resources whose limits can be reached, in the words of a task file.
    limited: Sequence[str] = ()


def end_container(container: SessionContainer, env: Mapping[str, str]) -> bool:
    """Removes the container with what runs in it; returns whether it is gone, by the runtime's own word.

    It gives up after REMOVE_S, and the time that two calls take.
    """
    until = time.monotonic() + REMOVE_S
    while True:
        _call(container, env, "rm", "--force", "--ignore", "--time", "0", container.name)
        if _call(container, env, "container", "exists", container.name) == NOT_THERE:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(RETRY_S)


def container_groups(pid: int, limited: Sequence[str]) -> list[LimitGroup]:
    """Returns the control groups of a process in a container, with the events of its limits; none if it has ended.

    The runtime has made the groups and removes them.
    """
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:  # noqa: PTH123  # see procfs.stat
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    found = []
    for _, controllers, path in lines:
        for controller in controllers.split(","):
            known = EVENTS_1 if controller else EVENTS_2
            names = [controller] if controller else limited
            events = [(name, *known[name]) for name in names if name in limited and name in known]
            if events:
                folder = "/".join(part for part in (CGROUPS, controller, path.lstrip("/")) if part)
                found.append(LimitGroup(folder, (), events))
    return found


def _call(container: SessionContainer, env: Mapping[str, str], *arguments: str) -> int:
    """Runs the runtime; the code is -1 if it gives no answer."""
    import subprocess  # noqa: PLC0415  # only sessions in containers need it

    try:
        done = subprocess.run(
            [*container.runtime, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=CALL_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return -1
    return done.returncode
