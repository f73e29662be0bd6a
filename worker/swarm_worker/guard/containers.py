"""End of the container that a session ran in: removed, and proven gone by the runtime's own word.

podman starts a container below the process that asked for it, so a guard ends its processes as any others. What is left
then is the container's record and its mounts. Only the standard library is imported.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

# How long one call of the runtime may take.
CALL_S: Final = 10.0
# How long a container that does not go is removed again and again.
REMOVE_S: Final = 20.0
RETRY_S: Final = 0.1
# The exit code of `container exists` for a container that is not there.
NOT_THERE: Final = 1


class SessionContainer(NamedTuple):
    """The container of one session; a marshalled plan has it as a plain tuple."""

    name: str
    # The runtime's program and its options.
    runtime: Sequence[str]
    limits_memory: bool


class ContainerEnd(NamedTuple):
    """The end of a container: whether it is gone, and whether the kernel killed in it for want of memory."""

    gone: bool
    reached_memory: bool = False


def end_container(container: SessionContainer, env: Mapping[str, str]) -> ContainerEnd:
    """Removes the container with what runs in it; returns after REMOVE_S at the latest, and the time of a call."""
    until = time.monotonic() + REMOVE_S
    reached = container.limits_memory and _reached_memory(container, env)
    while True:
        _call(container, env, "rm", "--force", "--ignore", "--time", "0", container.name)
        if _call(container, env, "container", "exists", container.name).code == NOT_THERE:
            return ContainerEnd(gone=True, reached_memory=reached)
        if time.monotonic() > until:
            return ContainerEnd(gone=False, reached_memory=reached)
        time.sleep(RETRY_S)


class _Answer(NamedTuple):
    code: int
    output: str


def _reached_memory(container: SessionContainer, env: Mapping[str, str]) -> bool:
    answer = _call(container, env, "container", "inspect", "--format", "{{.State.OOMKilled}}", container.name)
    return answer.output.strip() == "true"


def _call(container: SessionContainer, env: Mapping[str, str], *arguments: str) -> _Answer:
    """Runs the runtime; the code is -1 if it gives no answer."""
    import subprocess  # noqa: PLC0415  # only sessions in containers need it

    try:
        done = subprocess.run(
            [*container.runtime, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=CALL_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return _Answer(-1, "")
    return _Answer(done.returncode, done.stdout.decode(errors="replace"))
