"""What the sessions of a former process of a state folder have left, should its guards have died with it.

Such processes are nobody's children any more; a variable in their environment tells whose they were. Its one
rule: to have seen none is no proof while processes come and go, for one can hand over to the next behind the
back of whoever looks.
"""

import os
import signal
from pathlib import Path
from typing import Final

from swarm_worker.guard.procfs import ENDED, Process, family, pids, send, stat

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
        """Those that are alive, but never this process or one above it; `sure` says whether none is left.

        It stops what it finds at once, and looks at the youngest first, to be quicker than what always forks.
        """
        above, dead, missed, roots = _above(), set[Process](), False, list[int]()
        for pid in sorted(set(pids()) - above, reverse=True):
            found = stat(pid)
            has = self._has(pid) if found and found.state not in ENDED else None
            if found and has:
                send(found.process, signal.SIGSTOP)
                roots.append(pid)
            elif found and found.state in ENDED:
                dead.add(found.process)
            elif has is None:
                missed = True
        alive = {process for process in family(roots) if process.pid not in above}
        missed = missed or not dead <= self._dead
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


def _above() -> set[int]:
    """This process and all above it."""
    above, pid = set[int](), os.getpid()
    while pid not in above and (found := stat(pid)):
        above.add(pid)
        pid = found.parent
    return above
