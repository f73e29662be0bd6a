"""Guard of one session: starts the session, and ends everything that the session has started.

Invariant: a guard does not end before the last process of its session. The guard is the session's child subreaper.
Whatever detaches itself (new session, double fork, emptied environment) becomes its child, so "no child is left" is
the kernel's proof that the tree is gone. Only the standard library is imported.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from swarm_worker.guard import protocol
from swarm_worker.guard.containers import SessionContainer, container_groups, end_container
from swarm_worker.guard.containment import CGROUP2, SUBREAPER, kill_cgroup, make_cgroup, remove_cgroup
from swarm_worker.guard.control import Control
from swarm_worker.guard.limit_groups import LimitGroup, make_groups, reached_limits, remove_groups
from swarm_worker.guard.marked import attempt_marks, find_marked
from swarm_worker.guard.procfs import (
    UNKILLABLE_S,
    Process,
    descendants,
    is_namespace_init,
    is_namespace_member,
    kill_frozen,
    oldest_first,
    send_signal,
    unless_blind,
)
from swarm_worker.guard.spawn import Spawned, SpawnPlan, spawn

# The death of a grandchild sends no signal to the guard, so the guard polls.
POLL_S: Final = 0.02
# No wait notices that the machine slept, so the guard looks at the fence at least this often.
FENCE_POLL_S: Final = 1.0
# A container with limits stays after its program until they were read twice.
LIMITS_POLL_S: Final = 0.2
# A guard that has children and sees none for this long can't kill them: its session may have taken its descriptors.
BLIND_S: Final = 2.0
# How long processes outside the tree are killed before they are reported as survivors.
OUTSIDE_S: Final = 5.0


class Killed(NamedTuple):
    """Numbers of processes that were killed, and that live on."""

    killed: int
    survivors: int


class SessionGuard:
    """The guard of one session."""

    def __init__(self, request: protocol.SessionRequest, *, worker: int, wakeup_pipe: Sequence[int]) -> None:
        """`worker` is the socket to the worker; `wakeup_pipe` becomes readable when a signal comes."""
        self._request = request
        self._plan = request.plan
        self._worker = worker
        self._wakeup_pipe = wakeup_pipe
        self._control = Control(worker, grace_s=self._plan.grace_s, fence_s=self._plan.fence_s)
        self._level = self._plan.level
        self._groups = [LimitGroup(*group) for group in self._plan.groups]
        self._container = SessionContainer(*self._plan.container) if self._plan.container else None
        # The groups of the container, from the moment that it has any.
        self._contained: list[LimitGroup] = []
        # The resources whose limits were reached, in the order of their discovery.
        self._reached: list[str] = []
        self._spawned = Spawned(-1, "", -1)
        self._exit_r = -1
        self._code: int | None = None

    def run(self) -> None:
        """Runs the session and returns when nothing of the session is left."""
        try:
            self._guard()
        except Exception as error:
            # Nobody reads the guard's stderr, and the worker must know why it has to kill the orphans.
            self._report(protocol.error_report(protocol.BROKEN, f"{type(error).__name__}: {error}"))
            raise

    def _guard(self) -> None:
        self._control.update()
        if not self._control.cause:
            self._start()
        # Only the session may keep these open, so that their ends mean something.
        for stream in self._request.streams:
            os.close(stream)
        # The groups of a container end with it, so they are read more often.
        poll_s = LIMITS_POLL_S if self._container and self._container.limited else FENCE_POLL_S
        while not self._control.cause:
            self._wait(min(poll_s, self._control.fence_left_s))
            self._reap()
            self._update()
            if self._note_limits():
                self._control.limit_reached()
        self._end_session()

    def _start(self) -> None:
        plan = self._plan
        if self._level == CGROUP2 and not make_cgroup(plan.cgroup):
            self._level = SUBREAPER  # the report names the level that was reached
        try:
            make_groups(self._groups)
        except OSError as error:
            self._report(protocol.error_report(protocol.FAILED, f"can't limit the session: {error}"))
            self._control.session_exited()
            return
        own = [plan.cgroup] if self._level == CGROUP2 else []
        cgroups = list(dict.fromkeys([*own, *(group.folder for group in self._groups)]))
        private = (self._worker, self._request.lock, *self._wakeup_pipe)
        self._spawned = spawn(
            SpawnPlan(
                plan.cwd,
                plan.argv,
                plan.env,
                self._request.streams,
                self._level,
                cgroups,
                private,
                plan.umask,
                plan.hidden,
                plan.kept,
            )
        )
        self._exit_r = self._spawned.exit_r
        if self._spawned.error:
            self._report(protocol.error_report(protocol.FAILED, self._spawned.error))
        if self._spawned.pid < 0:
            self._control.session_exited()

    def _end_session(self) -> None:
        began = time.monotonic()
        found = self._members() if self._reap() else ()
        terminated = self._terminate()
        killed, survivors = self._kill(until=time.monotonic() + UNKILLABLE_S)
        if self._container is not None and not survivors:
            survivors = self._end_container(self._container)
        # Performance: a look through /proc takes milliseconds, so only a session that is ended is looked for outside
        # its tree (docs/performance.md).
        if not survivors and self._control.cause != "exit":
            outside = self._kill_outside(until=time.monotonic() + OUTSIDE_S)
            killed, survivors = killed + outside.killed, outside.survivors
        counts = protocol.KillCounts(len(found), terminated, killed, survivors)
        duration_s = time.monotonic() - began
        reached = " ".join(self._reached)
        report = protocol.ended_report(
            self._code, self._control.cause, self._level, counts, duration_s, limits=reached
        )
        if survivors:
            self._report(report)
            self._kill(until=None)
        os.close(self._request.lock)
        if not survivors:  # the lock is free before the worker can read the report
            self._report(report)

    def _terminate(self) -> int:
        """Sends SIGTERM to every process and waits out the grace period; returns the number of processes asked."""
        asked: set[Process] = set()
        while self._reap() and self._control.grace_left_s() > 0:
            # Parents first: a shell whose command ends before the shell has its signal would start the next command.
            for process in oldest_first(self._members() - asked):
                send_signal(process, signal.SIGTERM)
                send_signal(process, signal.SIGCONT)  # a stopped process handles no SIGTERM
                asked.add(process)
            if self._container is not None:
                self._note_limits()
            self._wait(min(POLL_S, self._control.grace_left_s()))
            self._update()
        return len(asked)

    def _kill(self, *, until: float | None) -> Killed:
        """Kills until no child is left, or until the deadline."""
        hit: set[Process] = set()
        seen_at = time.monotonic()
        while self._reap():
            alive, now = self._descendants(), time.monotonic()
            seen_at = now if alive else seen_at
            if until is not None and (now > until or now > seen_at + BLIND_S):
                # A child that this process can't see is a survivor all the same.
                return Killed(len(hit), max(1, len(alive)))
            hit |= self._without_init(alive)
            if self._level == CGROUP2:
                kill_cgroup(self._plan.cgroup)
            kill_frozen(alive)
            self._wait(POLL_S if until is not None else UNKILLABLE_S)
            self._update()
        self._note_limits()
        remove_groups(self._groups)
        if self._level == CGROUP2:
            remove_cgroup(self._plan.cgroup)
        return Killed(len(hit), 0)

    def _kill_outside(self, *, until: float) -> Killed:
        """Kills processes of the attempt that a daemon outside the tree has started."""
        marks = attempt_marks(self._plan.env)
        hit: set[Process] = set()
        while (alive := unless_blind(partial(find_marked, marks))) is None or alive:
            if time.monotonic() > until:
                return Killed(len(hit), max(1, len(alive or ())))
            hit |= alive or set()
            kill_frozen(alive or ())
            self._wait(POLL_S)
            self._update()
        return Killed(len(hit), 0)

    def _end_container(self, container: SessionContainer) -> int:
        """Removes the container of the ended session; returns 1 if the container does not go."""
        gone = end_container(container, self._plan.env)
        self._update()
        return self._kill(until=time.monotonic() + UNKILLABLE_S).survivors if gone else 1

    def _note_limits(self) -> bool:
        """Notes which limits were reached; returns whether any was."""
        if self._container is not None and self._container.limited:
            self._watch_container(self._container.limited)
        found = reached_limits(self._groups + self._contained)
        self._reached += [name for name in found if name not in self._reached]
        # The first process of a container stays until the counts were read after its program's end.
        for process in self._descendants() if self._contained else ():
            if is_namespace_init(process.pid):
                send_signal(process, signal.SIGUSR1)
        return bool(self._reached)

    def _watch_container(self, limited: Sequence[str]) -> None:
        member = None if self._contained else next(iter(self._members()), None)
        if member is not None:
            self._contained = container_groups(member.pid, limited)

    def _update(self) -> None:
        """Applies the worker's orders, and answers its ping."""
        self._control.update()
        if self._control.pinged:
            self._control.pinged = False
            self._report(protocol.ALIVE_REPORT)

    def _members(self) -> set[Process]:
        return self._without_init(self._descendants())

    def _descendants(self) -> set[Process]:
        """Returns what is seen below this process. Only `_reap` proves that nothing is left."""
        return unless_blind(partial(descendants, os.getpid())) or set()

    def _without_init(self, processes: set[Process]) -> set[Process]:
        """Leaves out what the session did not start: the first process of a PID namespace, and the sandbox.

        The first process of a sandbox's namespace ignores SIGTERM and ends with the last process of the session.
        Around a container are the runtime's processes, in the namespace of this one.
        """
        if self._container is not None:
            return {each for each in processes if is_namespace_member(each.pid)}
        if not self._plan.wrapped:
            init = self._spawned.pid if self._spawned.exit_r >= 0 else None
            return {process for process in processes if process.pid != init}
        outer = self._spawned.pid
        return {each for each in processes if each.pid != outer and not is_namespace_init(each.pid)}

    def _reap(self) -> bool:
        """Reaps what has ended; returns whether any child is left, alive or not yet reaped."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if self._exit_r >= 0:
                self._read_exit_code(init_ended=pid == self._spawned.pid)
            elif pid == self._spawned.pid and self._spawned.exit_r < 0:
                self._set_exit_code(os.waitstatus_to_exitcode(status))
            if pid == 0:
                return True

    def _read_exit_code(self, *, init_ended: bool) -> None:
        """Reads the session's exit code from the first process of its PID namespace, or from that process's end."""
        ready, _, _ = select.select([self._exit_r], (), (), 0)
        if ready or init_ended:
            code = os.read(self._exit_r, 16) if ready else b""
            os.close(self._exit_r)
            self._exit_r = -1
            self._set_exit_code(int(code or -signal.SIGKILL))

    def _set_exit_code(self, code: int) -> None:
        self._code = code
        self._control.session_exited()

    def _wait(self, timeout_s: float) -> None:
        """Waits for the end of a child or, while the session runs, for an order."""
        wakeup_r = self._wakeup_pipe[0]
        fds = [wakeup_r] if self._control.cause else [wakeup_r, self._control.fd]
        if self._exit_r >= 0:
            fds.append(self._exit_r)
        ready, _, _ = select.select(fds, (), (), timeout_s)
        if wakeup_r in ready:
            os.read(wakeup_r, 4096)  # what is left in the pipe ends the next wait at once

    def _report(self, report: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody reads it if the worker has died
            os.write(self._worker, report)
