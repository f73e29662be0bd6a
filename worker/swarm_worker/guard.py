"""Guards one session: starts it, and ends with it everything that it has started.

Runs as a program of its own, from its path, with nothing but the standard library. Its one rule: it does
not end before the last process of the session has. It is the session's child subreaper, so whatever
detaches itself (a new session, a double fork, an emptied environment) becomes a child of the guard, and
the kernel's word that there is no child left is the proof that the tree is gone.

The worker writes lines to the control pipe: `kill GRACE_S` ends the session, `fence SECONDS` extends its
right to run. The pipe's end, or no extension in time, ends the session too: the worker is dead or cut off,
whatever state its event loop is in. The guard writes JSON lines to the report pipe.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, NoReturn

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
# What a session leaves behind when it ends by itself had its chance already.
LEFTOVER_GRACE_S: Final = 1.0
# The death of a grandchild sends no signal here, so it is looked for.
LOOK_S: Final = 0.02
# A process that SIGKILL does not end in this time sits in the kernel; it is reported, and waited for.
UNKILLABLE_S: Final = 30.0
# What Python or this guard ignores, a session starts with as usual.
RESET: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD", "SIGPIPE", "SIGXFSZ")


class Options(NamedTuple):
    """The command line."""

    control: int
    report: int
    lock: int
    grace_s: float
    fence_s: float
    cwd: str
    argv: list[str]


class Process(NamedTuple):
    """A process; with its start time, since a number alone may be given out again."""

    pid: int
    started: str


class Control:
    """What the worker says, and what its silence means."""

    def __init__(self, fd: int, *, grace_s: float, fence_s: float) -> None:
        self.cause = ""
        self.fd = fd
        self._grace_s = grace_s
        self._fence = time.monotonic() + fence_s
        self._kill_at: float | None = None
        self._rest = b""
        os.set_blocking(fd, False)

    @property
    def fence_left_s(self) -> float:
        """How long the session may still run unless the worker says more."""
        return max(0.0, self._fence - time.monotonic())

    def read(self) -> None:
        """Takes in what has been said so far."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.fd, 4096):
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                for line in lines:
                    self._obey(line)
            self._end("orphaned", self._grace_s)
        if self.fence_left_s == 0:
            self._end("fence", self._grace_s)

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
            self._fence = time.monotonic() + float(number)

    def _end(self, cause: str, grace_s: float) -> None:
        self.cause = self.cause or cause
        kill_at = time.monotonic() + grace_s
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)


class Guard:
    """The guard of one session."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._control = Control(options.control, grace_s=options.grace_s, fence_s=options.fence_s)
        self._woken = -1
        self._main = -1

    def run(self) -> None:
        """Runs the session and returns when nothing of it is left."""
        self._prepare()
        self._control.read()
        if not self._control.cause:
            self._start()
        while not self._control.cause:
            self._wait(self._control.fence_left_s)
            self._reap()
            self._control.read()
        self._end()

    def _prepare(self) -> None:
        os.setsid()
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._woken, wakes = os.pipe()
        for fd in (self._woken, wakes):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def _start(self) -> None:
        told, tells = os.pipe()
        parent, self._main = os.getpid(), os.fork()
        if self._main == 0:
            self._become_session(tells, parent=parent)
        os.close(tells)
        fault = os.read(told, 4096).decode(errors="replace")  # at once, or empty when the exec closes it
        os.close(told)
        self._let_go_of_output()
        self._report("failed", error=fault) if fault else self._report("started", pid=self._main)

    def _become_session(self, tells: int, *, parent: int) -> NoReturn:
        doing = "enter " + self._options.cwd
        try:
            os.setsid()  # so that a session which signals its group does not hit its guard
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            for name in RESET:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            os.chdir(self._options.cwd)
            doing = "start " + self._options.argv[0]
            os.execvpe(self._options.argv[0], self._options.argv, _own_environment())  # noqa: S606  # no shell is wanted
        except (OSError, ValueError) as error:
            os.write(tells, f"can't {doing}: {getattr(error, 'strerror', error)}".encode()[:4096])
        finally:
            os._exit(127)

    def _let_go_of_output(self) -> None:
        """Leaves the pipes to the session alone, so that their ends mean something."""
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)

    def _end(self) -> None:
        began = time.monotonic()
        found = set(_descendants(os.getpid()))
        terminated = self._terminate()
        killed, survivors = self._kill(until=time.monotonic() + UNKILLABLE_S)
        self._report(
            "ended",
            cause=self._control.cause,
            found=len(found),
            terminated=terminated,
            killed=killed,
            survivors=survivors,
            duration_s=time.monotonic() - began,
        )
        self._kill(until=None)

    def _terminate(self) -> int:
        """Asks every process to end, and waits for that as long as the grace period allows."""
        asked: set[Process] = set()
        while self._reap() and self._control.grace_left_s() > 0:
            for process in set(_descendants(os.getpid())) - asked:
                _send(process, signal.SIGTERM)
                _send(process, signal.SIGCONT)  # a stopped process does not notice
                asked.add(process)
            self._wait(min(LOOK_S, self._control.grace_left_s()))
            self._control.read()
        return len(asked)

    def _kill(self, *, until: float | None) -> tuple[int, int]:
        """Kills until no child is left; says how many it killed and how many it could not."""
        hit: set[Process] = set()
        while self._reap():
            alive = list(_descendants(os.getpid()))
            if until is not None and time.monotonic() > until:
                return len(hit), len(alive)
            for process in alive:
                _send(process, signal.SIGSTOP)  # what is frozen can't fork while the others are hit
            for process in alive:
                _send(process, signal.SIGKILL)
            hit.update(alive)
            self._wait(LOOK_S if until is not None else UNKILLABLE_S)
        return len(hit), 0

    def _reap(self) -> bool:
        """Buries what has ended; says whether any child is left, alive or not yet buried."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._main:
                self._report("exited", code=os.waitstatus_to_exitcode(status))
                self._control.exited()

    def _wait(self, timeout_s: float) -> None:
        """Waits for a child's end or, while the session runs, for a word of the worker."""
        ears = [self._woken] if self._control.cause else [self._woken, self._control.fd]
        select.select(ears, (), (), timeout_s)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._woken, 4096):
                pass

    def _report(self, event: str, **fields: object) -> None:
        with contextlib.suppress(OSError):  # nobody listens when the worker has died
            os.write(self._options.report, json.dumps({"event": event, **fields}).encode() + b"\n")


def _descendants(root: int) -> Iterator[Process]:
    """Every live process below `root`, as far as one walk through /proc sees it."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  # see _stat
        if name.isdigit() and (stat := _stat(int(name))):
            state, parent, started = stat
            if state not in "ZX":
                children.setdefault(parent, []).append(Process(int(name), started))
    below = [root]
    while below:
        for process in children.get(below.pop(), ()):
            yield process
            below.append(process.pid)


def _stat(pid: int) -> tuple[str, int, str] | None:
    """State, parent and start time."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # pathlib costs more than the rest of the start
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return None
    return (fields[0].decode(), int(fields[1]), fields[19].decode()) if len(fields) > 19 else None


def _send(process: Process, number: int) -> None:
    """Signals that very process, never a later one with its number."""
    with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
        handle = os.pidfd_open(process.pid)
        try:
            stat = _stat(process.pid)
            if stat is not None and stat[2] == process.started:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _own_environment() -> dict[bytes, bytes]:
    """The environment as the worker gave it: Python adds LC_CTYPE to its own copy in a C locale."""
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123  # see _stat
        pairs = (entry.partition(b"=") for entry in file.read().split(b"\0") if b"=" in entry)
        return {name: value for name, _, value in pairs}


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def main(arguments: Sequence[str]) -> None:
    """Runs the guard with the command line that the worker made."""
    control, report, lock, grace_s, fence_s, cwd, *argv = arguments
    options = Options(int(control), int(report), int(lock), float(grace_s), float(fence_s), cwd, argv)
    for fd in (options.control, options.report, options.lock):
        os.set_inheritable(fd, False)
    Guard(options).run()


if __name__ == "__main__":
    main(sys.argv[1:])
