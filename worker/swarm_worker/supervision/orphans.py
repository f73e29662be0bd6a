"""How the worker holds the sessions that it started: in which containment, and what it does when a guard was
ended from outside, by its own session for one.

Its one rule: what such a guard leaves is ended before its attempt is. The worker is the next subreaper above
its guards, so all of that becomes its child. It knows those children from its guards, and from what it
started itself: only what a guard started has left the worker's own session of processes.
"""

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.guard.containment import PIDNS, Containment, cgroups, drop_cgroup, kill_cgroup, strongest
from swarm_worker.guard.procfs import (
    ENDED,
    PR_SET_CHILD_SUBREAPER,
    Process,
    family,
    kill_frozen,
    lookup,
    prctl,
    stat,
)
from swarm_worker.supervision.leftovers import MARKER, Leftovers

if TYPE_CHECKING:
    from swarm_worker.domain.model import KillReceipt
    from swarm_worker.supervision.guard_client import GuardClient, Take
    from swarm_worker.supervision.guard_pool import GuardPool

AUTO: Final = "auto"
# Of 32: enough that no two are the same, and too few to guess the rest from.
MARK_CHARS: Final = 12
PROBE: Final = (
    "import sys; sys.path.append(sys.argv[1]); from swarm_worker.guard.spawn import Plan, bear;"
    " sys.exit(bear(Plan('/', ['true'], {}, (0, 1, 2), 'pidns', '', ())).fault or None)"
)
LOOK_S: Final = 0.02
# As for a guard: what does not end in this time sits in the kernel.
UNKILLABLE_S: Final = 30.0

_log = structlog.get_logger()


def choose_containment(wanted: str) -> Containment:
    """The containment that was asked for; raises Exit if the kernel refuses it."""
    if wanted != PIDNS:
        return strongest() if wanted == AUTO else Containment()
    from swarm_worker.supervision.fork_client import PACKAGES  # noqa: PLC0415  # see Hold.guards

    probe = (sys.executable, "-I", "-S", "-c", PROBE, str(PACKAGES))
    done = subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"its probe ended with {done.returncode}"])[-1]
        raise ProgramExit(
            ExitCode.USAGE,
            f"--containment pidns is refused here: {said}",
            hint="use auto, or allow namespaces",
        )
    return Containment(PIDNS)


class ProcessSupervisor:
    """The guards of this process, and the orphans of those that are gone."""

    def __init__(self, containment: Containment | None = None, *, instance: str = "") -> None:
        self.containment = containment or Containment()
        self._instance = instance
        self._adopts = False
        self._sweeping = asyncio.Lock()

    @functools.cached_property
    def guards(self) -> "GuardPool":
        """What starts them."""
        from swarm_worker.supervision.guard_pool import GuardPool  # noqa: PLC0415  # loaded with the first session

        return GuardPool({MARKER: self.mark} if self._instance else {})

    def cgroup(self, name: str) -> str:
        """Where the control group of a guard's session is to be; nothing if there is none."""
        parent = self.containment.cgroup
        return f"{parent}/{self._cgroup_prefix}{name}" if parent else ""

    async def guard(self, plan: Mapping[str, Any], fds: Sequence[int], take: "Take") -> "GuardClient":
        """Has a session guarded; see GuardPool.start."""
        if self._adopts:  # asked of the kernel before there is a guard to lose, since that takes ctypes
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        return await self.guards.start(plan, fds, take)

    async def adopt(self) -> None:
        """Ends what a former process of this state folder left; from now on, orphans of guards are this one's."""
        self._adopts = True
        for cgroup in cgroups(self.containment.cgroup, self._cgroup_prefix):
            await self._empty(cgroup)
        hit: set[Process] = set()
        until = time.monotonic() + UNKILLABLE_S
        leftovers = Leftovers(self.mark)
        while (alive := leftovers.look()) or not leftovers.sure:
            if alive and time.monotonic() > until:
                text = f"process {next(iter(alive)).pid} of a former worker's session does not end"
                raise ProgramExit(ExitCode.CONFLICT, text, hint="end it, or give another --name")
            hit |= alive
            kill_frozen(alive)
            await asyncio.sleep(LOOK_S)
        if hit:
            _log.warning("ended what a former process and its guards had left", processes=len(hit))

    async def sweep(self, cgroup: str) -> "KillReceipt":
        """Ends what a lost guard has left; says what that was. Returns when nothing of it is alive."""
        from swarm_worker.domain.model import KillReceipt  # noqa: PLC0415  # loaded with the first task

        began = time.monotonic()
        found, calm, hit, alive = -1, 0, set[Process](), set[Process]()
        async with self._sweeping:
            if cgroup:
                kill_cgroup(cgroup)
            while time.monotonic() < began + UNKILLABLE_S:
                if not self.guards.bearing:
                    strays, alive = self._orphans()
                    found = len(alive) if found < 0 else found
                    hit |= alive
                    kill_frozen(alive)
                    calm = 0 if strays else calm + 1
                    if calm > 1 and (not cgroup or drop_cgroup(cgroup)):  # one look may miss what others hide
                        break
                await asyncio.sleep(LOOK_S)
        return KillReceipt(
            self.containment.level, max(0, found), 0, len(hit), len(alive), time.monotonic() - began
        )

    @property
    def mark(self) -> str:
        """What tells the sessions of this state folder: a part of its instance, whose whole is between worker
        and server."""
        return self._instance[:MARK_CHARS]

    @property
    def _cgroup_prefix(self) -> str:
        return f"swarm-{self.mark}-"

    def _orphans(self) -> tuple[bool, set[Process]]:
        """What lost guards have left, with all that is below it; buries what of it is dead.

        Says, too, whether there was any, dead or alive: none at all is the proof that nothing is left, since
        whatever is still there has somebody above it who is, or was and has to be buried, this one's child.
        """
        if not self._adopts:
            return False, set()
        children_of = lookup()
        own, session = os.getpid(), os.getsid(0)
        found = [stat(pid) for pid in children_of(own) if pid not in self.guards]
        strays = [each for each in found if each and each.parent == own and each.session != session]
        for each in strays:
            if each.state in ENDED:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(each.process.pid, os.WNOHANG)
        return bool(strays), family([each.process.pid for each in strays], children_of)

    async def _empty(self, cgroup: str) -> None:
        until = time.monotonic() + UNKILLABLE_S
        while not drop_cgroup(cgroup) and time.monotonic() < until:
            kill_cgroup(cgroup)
            await asyncio.sleep(LOOK_S)
