"""Processes that sessions of a former worker process have left, in case their guards died with the worker.

Such processes have no parent of ours any more; a variable in their environment names their state folder.
Invariant: one look that finds nothing proves nothing while processes come and go. A process can start its successor
in a place that the look has already passed.
"""

import os
import signal
from pathlib import Path
from typing import Final

from swarm_worker.guard.marked import STATE_MARKER
from swarm_worker.guard.procfs import (
    DEAD_STATES,
    Process,
    pids,
    require_seen,
    send_signal,
    stat,
    with_descendants,
)

# On a machine where processes always come and go, this many empty looks in a row are enough.
EMPTY_LOOKS: Final = 25


class Leftovers:
    """A search for live processes that carry the mark, and for their descendants."""

    def __init__(self, mark: str) -> None:
        self.none_left = False
        self._entry = f"{STATE_MARKER}={mark}".encode()
        self._dead: set[Process] = set()
        self._empty_looks = 0

    def find_alive(self) -> set[Process]:
        """Returns what is alive, without this process and its ancestors; `none_left` is the proof after enough calls.

        The search stops what it finds at once, and goes from the youngest to the oldest, to be quicker than a process
        that forks all the time.

        Raises:
            BlindError: nobody can tell.
        """
        ancestors, dead, missed, roots = _ancestors(), set[Process](), False, list[int]()
        for pid in sorted(set(pids()) - ancestors, reverse=True):
            found = stat(pid)
            marked = self._is_marked(pid) if found and found.state not in DEAD_STATES else None
            if found and marked:
                send_signal(found.process, signal.SIGSTOP)
                roots.append(pid)
            elif found and found.state in DEAD_STATES:
                dead.add(found.process)
            elif marked is None:
                missed = True
        alive = {process for process in with_descendants(roots) if process.pid not in ancestors}
        missed = missed or not dead <= self._dead
        self._dead = dead
        self._empty_looks = 0 if alive else self._empty_looks + 1
        self.none_left = not alive and (not missed or self._empty_looks > EMPTY_LOOKS)
        return alive

    def _is_marked(self, pid: int) -> bool | None:
        """Returns None if the process ended before its environment was read."""
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except PermissionError:
            return False
        except OSError as error:
            require_seen(error)
            return None
        if not environ and ((found := stat(pid)) is None or found.state in DEAD_STATES):
            return None
        return self._entry in environ.split(b"\0")


def _ancestors() -> set[int]:
    """Returns this process and all its ancestors."""
    ancestors, pid = set[int](), os.getpid()
    while pid not in ancestors and (found := stat(pid)):
        ancestors.add(pid)
        pid = found.parent
    return ancestors
