"""What the sessions of a former process of a state folder have left, should its guards have died with it.

Such processes are nobody's children any more; a variable in their environment tells whose they were. Its one
rule: to have seen none is no proof while processes come and go, for one can hand over to the next behind the
back of whoever looks.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from swarm_worker.processes import ENDED, Process, Stat, family, pids, snapshot, stat

# The variable that tells the sessions of one state folder from all other processes.
MARKER: Final = "SWARM_STATE"
# On a machine where processes always come and go, that many looks in a row are proof enough.
LOOKS: Final = 25


class Leftovers:
    """Looks for the processes that have the mark, and for those below them."""

    def __init__(self, mark: str) -> None:
        self.sure = False
        self._entry = f"{MARKER}={mark}".encode()
        self._dead: set[Process] = set()
        self._empty = 0

    def look(self) -> set[Process]:
        """Those that are alive, but never this process or one above it; `sure` says whether none is left."""
        listed = pids()
        seen = snapshot(listed)
        above = _above(seen)
        others = {pid: found for pid, found in seen.items() if pid not in above}
        has = {pid: self._has(pid) for pid, found in others.items() if found.state not in ENDED}
        alive = family(others, [pid for pid, marked in has.items() if marked])
        dead = {found.process for found in seen.values() if found.state in ENDED}
        missed = len(seen) < len(listed) or None in has.values() or not dead <= self._dead
        self._dead = dead
        self._empty = 0 if alive else self._empty + 1
        self.sure = not alive and (not missed or self._empty > LOOKS)
        return alive

    def _has(self, pid: int) -> bool | None:
        """None if it ended before it could be asked."""
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except PermissionError:
            return False
        except OSError:
            return None
        if not environ and ((found := stat(pid)) is None or found.state in ENDED):
            return None
        return self._entry in environ.split(b"\0")


def _above(seen: Mapping[int, Stat]) -> set[int]:
    """This process and all above it."""
    above, pid = set[int](), os.getpid()
    while pid in seen and pid not in above:
        above.add(pid)
        pid = seen[pid].parent
    return above
