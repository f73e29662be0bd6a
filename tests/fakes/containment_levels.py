"""Containment levels of this machine, each as a worker finds it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.waiting import until
from swarm_worker.guard.containment import (
    CGROUP2,
    PIDNS,
    SUBREAPER,
    Containment,
    kill_cgroup,
    make_cgroup,
    own_cgroup,
    remove_cgroup,
)
from swarm_worker.supervision.fork_client import PACKAGES
from swarm_worker.supervision.supervisor import PROBE

LEVELS = (SUBREAPER, CGROUP2, PIDNS)


@dataclass(frozen=True)
class Level:
    """A level, with the flags to start a worker that reaches it."""

    containment: Containment
    flag: str
    within: Sequence[str] = ()


@contextlib.contextmanager
def level(name: str) -> Iterator[Level]:
    """Yields the level; skips the test with the reason if the machine does not allow it."""
    if name == CGROUP2:
        with _delegated() as group:
            enter = ("/bin/sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec "$@"', group)
            yield Level(Containment(CGROUP2, group), "auto", enter)
        return
    if name == PIDNS:
        argv = (sys.executable, "-I", "-S", "-c", PROBE, str(PACKAGES))
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no PID namespaces here: {done.stderr.strip()}")
    yield Level(Containment(name), name)


@contextlib.contextmanager
def _delegated() -> Iterator[str]:
    """Yields a control group below which groups can be made: below our own group, or below the root."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    parents = [own_cgroup(), *(line.split()[4] for line in mounts if "- cgroup2 " in line)]
    group = next(filter(None, map(_made, filter(None, parents))), None)
    if group is None:
        pytest.skip("no control group here in which groups can be made")
    try:
        yield group
    finally:
        until(lambda: _emptied(group), "nothing is left in the control group")


def _made(parent: str) -> str | None:
    group = f"{parent}/swarm-test-{os.getpid()}"
    return group if make_cgroup(group) and os.access(f"{group}/cgroup.kill", os.W_OK) else None


def _emptied(group: str) -> bool:
    kill_cgroup(group)
    return remove_cgroup(group)
