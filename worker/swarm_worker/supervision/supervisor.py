"""Supervisor of session processes: their containment, their guards, and the orphans of guards that were killed.

Invariant: orphans of a killed guard are killed before their attempt ends. They become children of the next subreaper
above the guard: of the fork server, or of the worker if that has ended too. Among the children of both the worker
knows its guards. The worker's own helpers are in its own session of processes, and only what a guard started is not.
"""

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.domain.sandbox import NO_LIMITS, ResourceLimits
from swarm_worker.guard.containers import SessionContainer, end_container
from swarm_worker.guard.containment import PIDNS, Containment, cgroups, kill_cgroup, remove_cgroup, strongest
from swarm_worker.guard.limit_groups import LimitGroup, remove_groups
from swarm_worker.guard.marked import STATE_MARKER, attempt_marks, find_marked
from swarm_worker.guard.procfs import (
    DEAD_STATES,
    PR_SET_CHILD_SUBREAPER,
    UNKILLABLE_S,
    BlindError,
    Process,
    blind_spot,
    children_lookup,
    kill_frozen,
    prctl,
    stat,
    unless_blind,
    with_descendants,
)
from swarm_worker.supervision.leftovers import Leftovers
from swarm_worker.supervision.limit_groups import NO_LIMIT_GROUPS, LimitGroups

if TYPE_CHECKING:
    from swarm_worker.domain.model import KillReceipt
    from swarm_worker.guard.protocol import GuardPlan
    from swarm_worker.supervision.guard_client import GuardClient, ReportHandler
    from swarm_worker.supervision.guard_pool import GuardPool
    from swarm_worker.supervision.model import Launch

AUTO: Final = "auto"
# Of the 32 of the instance: enough to be unique, too few to guess the rest from.
MARK_CHARS: Final = 12
PROBE: Final = (
    "import sys; sys.path.append(sys.argv[1]); from swarm_worker.guard.spawn import SpawnPlan, spawn;"
    " sys.exit(spawn(SpawnPlan('/', ['true'], {}, (0, 1, 2), 'pidns', (), ())).error or None)"
)
ORPHAN_POLL_S: Final = 0.02
PROC_HINT: Final = (
    "mount the /proc of the worker's own PID namespace, without hidepid or with the worker in its gid="
)

_log = structlog.get_logger()


class SessionTraces(NamedTuple):
    """The traces of a session besides its process tree, by which its remains are found if its guard is lost."""

    cgroup: str = ""
    # The entries of the environment that find processes outside the tree.
    marks: frozenset[bytes] = frozenset()
    groups: Sequence[LimitGroup] = ()
    container: SessionContainer | None = None
    # The environment in which the container's runtime is called.
    env: Mapping[str, str] = {}


NO_TRACES: Final = SessionTraces()


class _Orphans(NamedTuple):
    """Orphans at one moment: whether there is any child of that kind, and what is alive of them."""

    any_child: bool
    alive: set[Process]


def require_proc() -> None:
    """Checks that /proc shows every process.

    Raises:
        ProgramExit: /proc does not, so no end of a session could be proven.
    """
    if reason := blind_spot():
        raise ProgramExit(ExitCode.USAGE, f"{reason}, so no end of a session could be proven", hint=PROC_HINT)


def state_mark(instance: str) -> str:
    """Returns the mark of a state folder's sessions: a part of the instance, whose whole only the server may know."""
    return instance[:MARK_CHARS]


def choose_containment(wanted: str) -> Containment:
    """Returns the containment that was asked for.

    Raises:
        ProgramExit: the kernel refuses PID namespaces.
    """
    if wanted != PIDNS:
        return strongest() if wanted == AUTO else Containment()
    from swarm_worker.supervision.fork_client import PACKAGES  # noqa: PLC0415  # see ProcessSupervisor.guards

    probe = (sys.executable, "-I", "-S", "-c", PROBE, str(PACKAGES))
    done = subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"its probe ended with {done.returncode}"])[-1]
        raise ProgramExit(
            ExitCode.USAGE,
            f"--containment pidns is refused here: {reason}",
            hint="use auto, or allow namespaces",
        )
    return Containment(PIDNS)


class ProcessSupervisor:
    """The guards of this worker, and the orphans of guards that were killed."""

    def __init__(
        self,
        containment: Containment | None = None,
        *,
        instance: str = "",
        limit_groups: LimitGroups = NO_LIMIT_GROUPS,
    ) -> None:
        self.containment = containment or Containment()
        self._limit_groups = limit_groups
        self._instance = instance
        self._is_subreaper = False
        self._orphan_lock = asyncio.Lock()

    @functools.cached_property
    def guards(self) -> "GuardPool":
        """The pool of guards."""
        # Performance: loaded with the first session, not by an idle worker (docs/performance.md).
        from swarm_worker.supervision.guard_pool import GuardPool  # noqa: PLC0415

        return GuardPool({STATE_MARKER: self.state_mark} if self._instance else {})

    def cgroup_for(self, name: str) -> str:
        """Returns the folder of the control group for a session; empty if sessions get none."""
        parent = self.containment.cgroup
        return f"{parent}/{self._cgroup_prefix}{name}" if parent else ""

    def limit_groups_for(self, name: str, limits: ResourceLimits) -> list[LimitGroup]:
        """Returns the groups with the limits of a session.

        Raises:
            ValueError: a limit can't be enforced here.
        """
        if limits == NO_LIMITS:
            return []
        return self._limit_groups.groups(f"{self._cgroup_prefix}{name}", limits)

    def traces_of(self, launch: "Launch") -> SessionTraces:
        """Returns the traces that the session will have; the runtime of a container keeps its limits by itself.

        Raises:
            ValueError: a limit can't be enforced here.
        """
        name, env = launch.lock.stem, launch.env
        groups = [] if launch.container else self.limit_groups_for(name, launch.limits)
        return SessionTraces(self.cgroup_for(name), attempt_marks(env), groups, launch.container, env)

    async def start_session(
        self, plan: "GuardPlan", fds: Sequence[int], on_report: "ReportHandler"
    ) -> "GuardClient":
        """Gives a session to a guard; see GuardPool.start_session."""
        if self._is_subreaper:  # set with the first guard, not at the worker's start, since it loads ctypes
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        return await self.guards.start_session(plan, fds, on_report)

    async def kill_leftovers(self) -> None:
        """Kills what a former process of this state folder left; from now on this process adopts orphans.

        Raises:
            ProgramExit: a process does not end.
        """
        self._is_subreaper = True
        for parent in dict.fromkeys((self.containment.cgroup, *self._limit_groups.parents.values())):
            for cgroup in cgroups(parent, self._cgroup_prefix):
                await self._empty(cgroup)
        hit: set[Process] = set()
        until = time.monotonic() + UNKILLABLE_S
        leftovers = Leftovers(self.state_mark)
        while (look := unless_blind(leftovers.find_alive)) is None or look or not leftovers.none_left:
            alive = look or set()
            if time.monotonic() > until and (alive or look is None):
                raise _leftovers_remain(alive)
            hit |= alive
            kill_frozen(alive)
            await asyncio.sleep(ORPHAN_POLL_S)
        if hit:
            _log.warning("ended what a former process and its guards had left", processes=len(hit))

    async def kill_orphans(self, traces: SessionTraces = NO_TRACES) -> "KillReceipt":
        """Kills what a lost guard has left, and returns the receipt. Returns when nothing is alive or after 30 s.

        The session's groups and its container are removed; a container that does not go counts as a survivor.
        """
        from swarm_worker.domain.model import KillReceipt  # noqa: PLC0415  # loaded with the first task

        began = time.monotonic()
        found, empty_looks, survivors, hit, alive = -1, 0, 0, set[Process](), set[Process]()
        cgroup = traces.cgroup
        async with self._orphan_lock:
            if cgroup:
                kill_cgroup(cgroup)
            while time.monotonic() < began + UNKILLABLE_S:
                if not self.guards.fork_pending:
                    any_child, alive = self._look(traces.marks)
                    found = len(alive) if found < 0 else found
                    hit |= alive
                    kill_frozen(alive)
                    empty_looks = 0 if any_child else empty_looks + 1
                    # One look may miss what others hide.
                    if empty_looks > 1 and (not cgroup or remove_cgroup(cgroup)):
                        break
                await asyncio.sleep(ORPHAN_POLL_S)
            else:
                # A child that /proc does not show is a survivor all the same.
                survivors = max(1, len(alive))
        remove_groups(traces.groups)
        if not survivors and not await self.remove_container(traces):
            survivors = 1
        level, duration_s = self.containment.level, time.monotonic() - began
        return KillReceipt(level, max(0, found), 0, len(hit), survivors, duration_s)

    async def remove_container(self, traces: SessionTraces) -> bool:
        """Returns whether the session has no container, or none any more."""
        container = traces.container
        return container is None or await asyncio.to_thread(end_container, container, traces.env)

    @property
    def state_mark(self) -> str:
        """The mark of this state folder's sessions."""
        return state_mark(self._instance)

    @property
    def _cgroup_prefix(self) -> str:
        return f"swarm-{self.state_mark}-"

    def _look(self, marks: frozenset[bytes]) -> _Orphans:
        """Finds orphans, and processes outside the tree if there are none; a look that fails proves nothing."""
        try:
            found = self._orphans()
            outside = set() if found.any_child else find_marked(marks)
        except BlindError:
            return _Orphans(any_child=True, alive=set())
        return _Orphans(found.any_child or bool(outside), found.alive | outside)

    def _orphans(self) -> _Orphans:
        """Finds the orphans of lost guards with their descendants, and reaps the dead ones.

        "No such child, dead or alive" is the proof that nothing is left. Whatever lives has an ancestor that is a
        child of this process or of its fork server, or that was one and still has to be reaped.
        """
        children_of = children_lookup()
        adopted = self.guards.adopted(children_of)
        if not self._is_subreaper:
            return _Orphans(bool(adopted), with_descendants(adopted, children_of))
        own_pid, own_session = os.getpid(), os.getsid(0)
        found = [stat(pid) for pid in children_of(own_pid) if pid not in self.guards]
        orphans = [each for each in found if each and each.parent == own_pid and each.session != own_session]
        for orphan in orphans:
            if orphan.state in DEAD_STATES:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(orphan.process.pid, os.WNOHANG)
        roots = [*adopted, *(orphan.process.pid for orphan in orphans)]
        return _Orphans(bool(roots), with_descendants(roots, children_of))

    async def _empty(self, cgroup: str) -> None:
        until = time.monotonic() + UNKILLABLE_S
        while not remove_cgroup(cgroup) and time.monotonic() < until:
            kill_cgroup(cgroup)
            await asyncio.sleep(ORPHAN_POLL_S)


def _leftovers_remain(alive: set[Process]) -> ProgramExit:
    if not alive:
        return ProgramExit(ExitCode.CONFLICT, "can't look at /proc", hint="raise the limit: ulimit -n")
    text = f"process {next(iter(alive)).pid} of a former worker's session does not end"
    return ProgramExit(ExitCode.CONFLICT, text, hint="end it, or give another --name")
