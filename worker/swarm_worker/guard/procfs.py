"""Processes as /proc shows them, and signals that reach the very process that was meant.

Shared by the worker and its guards. Its one rule: nothing but the standard library, and little of that,
since every session waits for its guard to load.
"""

import contextlib
import functools
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import ctypes

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
ENDED: Final = "ZX"


class Process(NamedTuple):
    """A process; with its start time, since a number alone may be given out again."""

    pid: int
    started: str


class Stat(NamedTuple):
    """What /proc says of a process at one moment."""

    process: Process
    state: str
    parent: int
    session: int


def boot_s() -> float:
    """Seconds since the machine was booted, those in which it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def stat(pid: int) -> Stat | None:
    """None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # pathlib costs more than the rest of the start
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return None
    if len(fields) <= 19:
        return None
    return Stat(Process(pid, fields[19].decode()), fields[0].decode(), int(fields[1]), int(fields[3]))


def pids() -> list[int]:
    """The number of every process, those that nobody has buried yet included."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # see stat


def children(pid: int) -> list[int]:
    """Those that the process has at the moment, unburied ones included; one may be missed while others end."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  # see stat
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    return found


def family(roots: Iterable[int], children_of: Callable[[int], Iterable[int]] | None = None) -> set[Process]:
    """What is alive of these and of everything below them."""
    children_of = children_of or lookup()
    members: dict[int, Stat | None] = {}
    below = list(roots)
    while below:
        pid = below.pop()
        if pid not in members:
            members[pid] = stat(pid)
            below += children_of(pid)
    return {found.process for found in members.values() if found and found.state not in ENDED}


def descendants(root: int) -> set[Process]:
    """Every live process below `root`."""
    children_of = lookup()
    return family(children_of(root), children_of)


def lookup() -> Callable[[int], Iterable[int]]:
    """How to find a process's children: by asking for them, which is quick enough to catch what forks all the
    time, or, where the kernel was built without that, in a walk through all processes."""
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):  # noqa: PTH110  # see stat
        return children
    parents: dict[int, list[int]] = {}
    for pid in pids():
        if found := stat(pid):
            parents.setdefault(found.parent, []).append(pid)
    return lambda pid: parents.get(pid, ())


def oldest_first(processes: Iterable[Process]) -> Sequence[Process]:
    """Parents before their children, also those that started within one tick of the clock."""
    return sorted(processes, key=lambda process: (int(process.started), process.pid))


def kill_frozen(processes: Collection[Process]) -> None:
    """Kills them all, and gives none of them the time to fork while the others are hit."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            send(process, number)


def send(process: Process, number: int) -> None:
    """Signals that very process, never a later one with its number."""
    with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
        handle = os.pidfd_open(process.pid)
        try:
            found = stat(process.pid)
            if found is not None and found.process == process:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def prctl(option: int, value: int) -> None:
    """Raises OSError if the kernel refuses."""
    checked(libc().prctl(option, value, 0, 0, 0), "prctl")


def checked(result: int, what: str) -> None:
    """Raises OSError if that is the result of a call into the C library that has failed."""
    if result != 0:
        import ctypes  # noqa: PLC0415  # see libc

        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


@functools.cache
def libc() -> "ctypes.CDLL":
    """The C library, for what Python has no function for."""
    import ctypes  # noqa: PLC0415  # an idle worker does without

    return ctypes.CDLL(None, use_errno=True)
