"""End of a session from outside its guard, for guards that do not act.

A guard that is stopped still is the session's subreaper, so the whole process tree stays below it.
Invariant: the guard is killed last, when nothing below it lives, so no process of the session loses its guard alive.
Only the standard library is imported.
"""

import signal
import time
from functools import partial
from typing import Final

from swarm_worker.guard.procfs import (
    DEAD_STATES,
    UNKILLABLE_S,
    Process,
    descendants,
    kill_frozen,
    send_signal,
    stat,
    unless_blind,
)

STOPPED_STATES: Final = "Tt"
# One look may miss a process whose parent ends meanwhile.
EMPTY_LOOKS: Final = 3
POLL_S: Final = 0.02
# Longest grace period after the worker's death: the next worker waits for the session's end.
ORPHAN_GRACE_S: Final = 10.0


def is_stopped(pid: int) -> bool:
    """Returns whether the process is seen to be stopped by a signal or a tracer."""
    found = unless_blind(partial(stat, pid))
    return found is not None and found.state in STOPPED_STATES


def end_guard(guard: Process, *, timeout_s: float = UNKILLABLE_S) -> set[Process]:
    """Kills everything below the guard, and then the guard; returns what did not end.

    With survivors, the guard is continued instead of killed, since it still holds them. The guard is not stopped here:
    its fork server would continue it. If nobody can tell what lives, the guard counts as a survivor.
    """
    deadline = time.monotonic() + timeout_s
    empty_looks, seen = 0, set[Process]()
    while empty_looks < EMPTY_LOOKS:
        look = unless_blind(partial(_alive_below, guard, seen))
        alive = {guard} if look is None else look
        if alive and time.monotonic() > deadline:
            send_signal(guard, signal.SIGCONT)
            return alive
        if look is not None:
            seen |= look
            kill_frozen(look)
        empty_looks = 0 if alive else empty_looks + 1
        time.sleep(POLL_S)
    send_signal(guard, signal.SIGKILL)
    return set()


def _alive_below(guard: Process, seen: set[Process]) -> set[Process]:
    """Returns what lives below the guard; a guard that ended has proven its end, unless somebody killed it."""
    return descendants(guard.pid) if is_alive(guard) else {each for each in seen if is_alive(each)}


def is_alive(process: Process) -> bool:
    """Returns whether that very process runs or is stopped."""
    found = stat(process.pid)
    return found is not None and found.process == process and found.state not in DEAD_STATES


def parse_process(text: str) -> Process | None:
    """Reads a process from a line as `format_process` makes it; None if the line is not one."""
    pid, _, started = text.strip().partition(" ")
    return Process(int(pid), started) if pid.isdigit() and started.isdigit() else None


def format_process(process: Process) -> str:
    """Returns the process as a line."""
    return f"{process.pid} {process.started}\n"
