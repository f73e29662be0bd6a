"""Guards one session: starts it, and ends with it everything that it has started.

Runs as a program of its own with nothing but the standard library. Its one rule: it does not end before the
last process of the session has. It is the session's child subreaper, so whatever detaches itself (a new
session, a double fork, an emptied environment) becomes a child of the guard, and the kernel's word that
there is no child left is the proof that the tree is gone.

The worker writes lines to the control pipe: `kill GRACE_S` ends the session, `fence BOOT_S` says until when
it may run, on the clock that goes on while the machine sleeps. The pipe's end, or no extension in time, ends
the session too: the worker is dead or cut off, whatever state its event loop is in. The guard writes JSON
lines to the report pipe.
"""

import contextlib
import json
import os
import select
import signal
import time
from typing import Final, NamedTuple

from swarm_worker.birth import Born, Plan, bear, let_go_of_output
from swarm_worker.containment import CGROUP2, SUBREAPER, drop_cgroup, kill_cgroup, make_cgroup
from swarm_worker.processes import (
    PR_SET_CHILD_SUBREAPER,
    Process,
    boot_s,
    descendants,
    kill_frozen,
    oldest_first,
    prctl,
    send,
)

# Those that ask a program to end are for the worker, and a shell lets what it starts in the background ignore some of
# them; the last two are what Python itself ignores.
DEAF_TO: Final = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)
# What a session leaves behind when it ends by itself had its chance already.
LEFTOVER_GRACE_S: Final = 1.0
# Nobody is left who could answer for the session; the next worker waits for its end.
ORPHAN_GRACE_S: Final = 10.0
# The death of a grandchild sends no signal here, so it is looked for.
LOOK_S: Final = 0.02
# No wait notices that the machine slept, so the fence is looked at.
FENCE_LOOK_S: Final = 1.0
# A process that SIGKILL does not end in this time sits in the kernel; it is reported, and waited for.
UNKILLABLE_S: Final = 30.0
# JSON of words and numbers of our own: what usually makes it would take a sixth of a guard's time.
EXITED: Final = '{"event": "exited", "code": %d}'
ENDED: Final = (
    '{"event": "ended", "cause": "%s", "containment": "%s", "found": %d, "terminated": %d, "killed": %d,'
    ' "survivors": %d, "duration_s": %.6f}'
)


def turn_deaf() -> None:
    """Lets signals do no more than end a wait: before guards are borne, who inherit it.

    Not by ignoring them, which a session would inherit too: handlers end with its exec.
    """
    for number in DEAF_TO:
        signal.signal(number, lambda *_: None)


def alarm_pipe() -> tuple[int, int]:
    """A pipe that says, from now on, when a signal has come: that a child has ended, for one."""
    alarm = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(alarm[1], warn_on_full_buffer=False)
    return alarm


class Options(NamedTuple):
    """What to guard, and how."""

    control: int
    report: int
    lock: int
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


class Control:
    """What the worker says, and what its silence means."""

    def __init__(self, fd: int, *, grace_s: float, fence_s: float) -> None:
        self.cause = ""
        self.fd = fd
        self._grace_s = grace_s
        self._fence_s = fence_s
        self._kill_at: float | None = None
        self._rest = b""
        os.set_blocking(fd, False)

    @property
    def fence_left_s(self) -> float:
        """How long the session may still run unless the worker says more."""
        return max(0.0, self._fence_s - boot_s())

    def read(self) -> None:
        """Takes in what has been said so far, and what time it is."""
        if select.select([self.fd], (), (), 0)[0]:
            self._hear()
        if self.fence_left_s == 0:  # the grace period is part of what the server waits for, so it began then
            self._end("fence", max(0.0, self._grace_s - (boot_s() - self._fence_s)))

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.fd, 4096):
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                for line in lines:
                    self._obey(line)
            self._end("orphaned", min(self._grace_s, ORPHAN_GRACE_S))

    def grace_left_s(self) -> float:
        """How long processes may take to end by themselves; a later order can shorten it."""
        return 0.0 if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())

    def exited(self) -> None:
        """The session has ended; what is left of an order's grace period stays."""
        if not self.cause:
            self._end("exit", min(self._grace_s, LEFTOVER_GRACE_S))

    def _obey(self, line: bytes) -> None:
        word, _, number = line.partition(b" ")
        if word == b"kill":
            self._end("order", float(number))
        elif word == b"fence":
            self._fence_s = float(number)

    def _end(self, cause: str, grace_s: float) -> None:
        self.cause = self.cause or cause
        kill_at = time.monotonic() + grace_s
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)


class Guard:
    """The guard of one session."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._control = Control(options.control, grace_s=options.grace_s, fence_s=options.fence_s)
        self._level = options.level
        self._alarm = (-1, -1)
        self._born = Born(-1, "", -1)
        self._codes = -1

    def run(self) -> None:
        """Runs the session and returns when nothing of it is left."""
        try:
            self._guard()
        except Exception as error:
            # Nobody reads what it prints; the worker, who has to end what is left, must know why.
            self._complain("broken", f"{type(error).__name__}: {error}")
            raise

    def _guard(self) -> None:
        self._prepare()
        self._control.read()
        if not self._control.cause:
            self._start()
        while not self._control.cause:
            self._wait(min(FENCE_LOOK_S, self._control.fence_left_s))
            self._reap()
            self._control.read()
        self._end()

    def _prepare(self) -> None:
        os.setsid()
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._alarm = alarm_pipe()

    def _start(self) -> None:
        options = self._options
        if self._level == CGROUP2 and not make_cgroup(options.cgroup):
            self._level = SUBREAPER  # the receipt says so
        cgroup = options.cgroup if self._level == CGROUP2 else ""
        private = (options.control, options.report, options.lock, *self._alarm)
        self._born = bear(Plan(options.cwd, options.argv, options.env, self._level, cgroup, private))
        self._codes = self._born.codes
        let_go_of_output()
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
        counts = (len(found), terminated, killed, survivors)
        self._report(ENDED % (self._control.cause, self._level, *counts, took_s))
        self._kill(until=None)

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
        self._report(EXITED % code)
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
        self._report(json.dumps({"event": event, "error": error}))

    def _report(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens when the worker has died
            os.write(self._options.report, line.encode() + b"\n")
