"""Guards one session: starts it, and ends with it everything that it has started.

Runs in a process of its own with nothing but the standard library. Its one rule: it does not end before the
last process of the session has. Its process is the session's child subreaper, so whatever detaches itself (a
new session, a double fork, an emptied environment) becomes a child of it, and the kernel's word that there is
no child left is the proof that the tree is gone.

The worker speaks over the line (see control); the guard answers there, each message one object of JSON.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from swarm_worker.guard.containment import CGROUP2, SUBREAPER, drop_cgroup, kill_cgroup, make_cgroup
from swarm_worker.guard.control import Control
from swarm_worker.guard.procfs import Process, descendants, kill_frozen, oldest_first, send
from swarm_worker.guard.spawn import Spawned, SpawnPlan, spawn

# The death of a grandchild sends no signal here, so it is looked for.
LOOK_S: Final = 0.02
# No wait notices that the machine slept, so the fence is looked at.
FENCE_LOOK_S: Final = 1.0
# A process that SIGKILL does not end in this time sits in the kernel; it is reported, and waited for.
UNKILLABLE_S: Final = 30.0
# JSON of words and numbers of our own: what usually makes it would take a sixth of a guard's time.
ENDED: Final = (
    '{"event": "ended", "code": %s, "cause": "%s", "containment": "%s", "found": %d, "terminated": %d,'
    ' "killed": %d, "survivors": %d, "duration_s": %.6f}'
)


class GuardOptions(NamedTuple):
    """What to guard, and how."""

    # Held until nothing of the session is left.
    lock: int
    # What the session reads, prints, and prints of its errors.
    streams: Sequence[int]
    grace_s: float
    # Until when the session may run unless the worker says more; see processes.boot_s.
    fence_s: float
    level: str
    # The control group that the session gets for itself; empty for none.
    cgroup: str
    cwd: str
    argv: list[str]
    # All of the session's environment.
    env: dict[str, str]


class SessionGuard:
    """The guard of one session."""

    def __init__(self, options: GuardOptions, *, line: int, alarm: Sequence[int]) -> None:
        """`alarm` is a pipe that says when a signal has come."""
        self._options = options
        self._line = line
        self._alarm = alarm
        self._control = Control(line, grace_s=options.grace_s, fence_s=options.fence_s)
        self._level = options.level
        self._born = Spawned(-1, "", -1)
        self._codes = -1
        self._code: int | None = None

    def run(self) -> None:
        """Runs the session and returns when nothing of it is left."""
        try:
            self._guard()
        except Exception as error:
            # Nobody reads what it prints; the worker, who has to end what is left, must know why.
            self._complain("broken", f"{type(error).__name__}: {error}")
            raise

    def _guard(self) -> None:
        self._control.read()
        if not self._control.cause:
            self._start()
        for stream in self._options.streams:  # the session's alone, so that their ends mean something
            os.close(stream)
        while not self._control.cause:
            self._wait(min(FENCE_LOOK_S, self._control.fence_left_s))
            self._reap()
            self._control.read()
        self._end()

    def _start(self) -> None:
        options = self._options
        if self._level == CGROUP2 and not make_cgroup(options.cgroup):
            self._level = SUBREAPER  # the receipt says so
        cgroup = options.cgroup if self._level == CGROUP2 else ""
        private = (self._line, options.lock, *self._alarm)
        plan = SpawnPlan(
            options.cwd, options.argv, options.env, options.streams, self._level, cgroup, private
        )
        self._born = spawn(plan)
        self._codes = self._born.codes
        if self._born.fault:
            self._complain("failed", self._born.fault)
        if self._born.pid < 0:
            self._control.exited()

    def _end(self) -> None:
        began = time.monotonic()
        found = self._members() if self._reap() else ()
        terminated = self._terminate()
        killed, survivors = self._kill(until=time.monotonic() + UNKILLABLE_S)
        took_s = time.monotonic() - began
        code = "null" if self._code is None else self._code
        counts = (len(found), terminated, killed, survivors)
        ended = ENDED % (code, self._control.cause, self._level, *counts, took_s)
        if survivors:
            self._report(ended)
            self._kill(until=None)
        os.close(self._options.lock)
        if not survivors:  # whoever hears this finds the lock free
            self._report(ended)

    def _terminate(self) -> int:
        """Asks every process to end, and waits for that as long as the grace period allows."""
        asked: set[Process] = set()
        while self._reap() and self._control.grace_left_s() > 0:
            # A shell whose command ended before it was told itself would go on to the next one.
            for process in oldest_first(self._members() - asked):
                send(process, signal.SIGTERM)
                send(process, signal.SIGCONT)  # a stopped process does not notice
                asked.add(process)
            self._wait(min(LOOK_S, self._control.grace_left_s()))
            self._control.read()
        return len(asked)

    def _kill(self, *, until: float | None) -> tuple[int, int]:
        """Kills until no child is left; says how many it killed and how many it could not."""
        hit: set[Process] = set()
        while self._reap():
            alive = descendants(os.getpid())
            if until is not None and time.monotonic() > until:
                return len(hit), len(alive)
            hit |= self._ours(alive)
            if self._level == CGROUP2:
                kill_cgroup(self._options.cgroup)
            kill_frozen(alive)
            self._wait(LOOK_S if until is not None else UNKILLABLE_S)
        if self._level == CGROUP2:
            drop_cgroup(self._options.cgroup)
        return len(hit), 0

    def _members(self) -> set[Process]:
        return self._ours(descendants(os.getpid()))

    def _ours(self, processes: set[Process]) -> set[Process]:
        """Without the first process of a namespace, which is none of the session's."""
        init = self._born.pid if self._born.codes >= 0 else None
        return {process for process in processes if process.pid != init}

    def _reap(self) -> bool:
        """Buries what has ended; says whether any child is left, alive or not yet buried."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if self._codes >= 0:
                self._hear_code(ended=pid == self._born.pid)
            elif pid == self._born.pid and self._born.codes < 0:
                self._exited(os.waitstatus_to_exitcode(status))
            if pid == 0:
                return True

    def _hear_code(self, *, ended: bool) -> None:
        """Takes the session's exit code from the first process of its namespace, or from that one's end."""
        ready, _, _ = select.select([self._codes], (), (), 0)
        if ready or ended:
            code = os.read(self._codes, 16) if ready else b""
            os.close(self._codes)
            self._codes = -1
            self._exited(int(code or -signal.SIGKILL))

    def _exited(self, code: int) -> None:
        self._code = code
        self._control.exited()

    def _wait(self, timeout_s: float) -> None:
        """Waits for an end or, while the session runs, for a word of the worker."""
        ears = [self._alarm[0]] if self._control.cause else [self._alarm[0], self._control.fd]
        if self._codes >= 0:
            ears.append(self._codes)
        ready, _, _ = select.select(ears, (), (), timeout_s)
        if self._alarm[0] in ready:
            os.read(self._alarm[0], 4096)  # if that was not all, the next wait is none

    def _complain(self, event: str, error: str) -> None:
        import json  # noqa: PLC0415  # rare, and what is loaded before is copied for each session

        self._report(json.dumps({"event": event, "error": error}))

    def _report(self, message: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens when the worker has died
            os.write(self._line, message.encode())
