"""Processes of an attempt outside its process tree, found by the variables in their environment.

A daemon that ran before (at, a batch system, a terminal multiplexer) may start a process for a session. Such a process
is not below the guard. It is found if the daemon passed the session's environment on, and if /proc lets this
user read it. Only the standard library is imported.
"""

import os
from collections.abc import Mapping
from typing import Final

from swarm_worker.guard.procfs import DEAD_STATES, Process, pids, require_seen, stat

# The variable that marks the sessions of one state folder.
STATE_MARKER: Final = "SWARM_STATE"
# Together these name one attempt of one worker.
ATTEMPT_MARKERS: Final = (STATE_MARKER, "SWARM_TASK_ID", "SWARM_ATTEMPT")


def attempt_marks(env: Mapping[str, str]) -> frozenset[bytes]:
    """Returns the entries of the environment that name the attempt; empty if one of them is missing."""
    if not all(env.get(name) for name in ATTEMPT_MARKERS):
        return frozenset()
    return frozenset(os.fsencode(f"{name}={env[name]}") for name in ATTEMPT_MARKERS)


def find_marked(marks: frozenset[bytes]) -> set[Process]:
    """Returns the live processes that have all the marks, without this process.

    Raises:
        BlindError: nobody can tell.
    """
    found: set[Process] = set()
    for pid in pids() if marks else ():
        seen = stat(pid) if pid != os.getpid() and marks <= _environ(pid) else None
        if seen is not None and seen.state not in DEAD_STATES:
            found.add(seen.process)
    return found


def _environ(pid: int) -> frozenset[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123  # see procfs.stat
            return frozenset(file.read().split(b"\0"))
    except OSError as error:
        require_seen(error)  # another user's process, or one that has ended
        return frozenset()
