"""Processes as /proc shows them, and signals that can't reach a later process with the same number.

Shared by the worker and its guards.
Invariant: only the standard library is imported, and little of it, since a session waits until its guard has loaded.
"""

import contextlib
import errno
import functools
import os
import resource
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    import ctypes

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_CHILD_SUBREAPER: Final = 36
DEAD_STATES: Final = "ZX"
RUNNING: Final = "R"
# A process that SIGKILL does not end in this time is stuck in the kernel or belongs to another user.
UNKILLABLE_S: Final = 30.0
# The errors of a look at one process that has ended, or that belongs to another user.
NOT_OURS: Final = (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM)
FDS_AT_START: Final = resource.getrlimit(resource.RLIMIT_NOFILE)

_T = TypeVar("_T")


class BlindError(OSError):
    """A look at /proc that failed, for example without free descriptors, and so proves nothing."""


class Process(NamedTuple):
    """A process number with its start time, since the kernel reuses numbers."""

    pid: int
    started: str


class Stat(NamedTuple):
    """A snapshot of one process."""

    process: Process
    state: str
    parent: int
    session: int


def boot_s() -> float:
    """Returns the seconds since boot, including those in which the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def require_seen(error: OSError) -> None:
    """Checks that a process was seen to be gone, and takes back a limit that left no descriptors.

    A session with the same user can lower the limit of this process.

    Raises:
        BlindError: the look failed.
    """
    if error.errno in NOT_OURS:
        return
    if error.errno == errno.EMFILE:
        restore_fds()
    raise BlindError(error.errno, f"can't look at /proc: {error.strerror}") from error


def restore_fds() -> None:
    """Raises the limit of descriptors back to its value at the start, or as far as the kernel lets it."""
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, FDS_AT_START)
        except (OSError, ValueError):  # somebody has lowered the hard limit too
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def unless_blind(look: Callable[[], _T]) -> _T | None:
    """Returns what the look finds; None if it fails, which proves nothing."""
    try:
        return look()
    except BlindError:
        return None


def stat(pid: int) -> Stat | None:
    """Returns a snapshot of the process; None if the process does not exist.

    Raises:
        BlindError: nobody can tell.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # pathlib costs more than the rest of the start
            fields = file.read().rpartition(b") ")[2].split()
    except OSError as error:
        require_seen(error)
        return None
    if len(fields) <= 19:
        return None
    state = fields[0].decode()
    if state in DEAD_STATES and int(fields[17]) > 1:
        state = RUNNING  # the main thread has exited, and others run on
    return Stat(Process(pid, fields[19].decode()), state, int(fields[1]), int(fields[3]))


def blind_spot() -> str:
    """Returns why /proc here does not show every process of this machine; empty if it does.

    Without that view nobody can prove that a process tree is gone.
    """
    try:
        self_pid = os.readlink("/proc/self")  # noqa: PTH115  # see stat
    except OSError:
        return "/proc is not mounted here"
    if self_pid != str(os.getpid()) or stat(os.getpid()) is None:
        return "/proc here belongs to another PID namespace"
    if stat(1) is None:
        return "/proc hides processes of other users here (mount option hidepid)"
    return ""


def pids() -> list[int]:
    """Returns the number of every process, including zombies.

    Raises:
        BlindError: nobody can tell.
    """
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # see stat
    except OSError as error:
        require_seen(error)
        raise


def children(pid: int) -> list[int]:
    """Returns the children of a process, including zombies; may miss a child while others end.

    Raises:
        BlindError: nobody can tell.
    """
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  # see stat
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    except OSError as error:
        require_seen(error)  # the process has ended
    return found


def with_descendants(
    roots: Iterable[int], children_of: Callable[[int], Iterable[int]] | None = None
) -> set[Process]:
    """Returns the live processes among the roots and everything below them."""
    children_of = children_of or children_lookup()
    members: dict[int, Stat | None] = {}
    below = list(roots)
    while below:
        pid = below.pop()
        if pid not in members:
            members[pid] = stat(pid)
            below += children_of(pid)
    return {found.process for found in members.values() if found and found.state not in DEAD_STATES}


def descendants(root: int) -> set[Process]:
    """Returns every live process below `root`."""
    children_of = children_lookup()
    return with_descendants(children_of(root), children_of)


def children_lookup() -> Callable[[int], Iterable[int]]:
    """Returns a function from a process to its children.

    The kernel's own list of children is quick enough to catch a process that forks all the time. A kernel built
    without that list needs a walk through all processes.
    """
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):  # noqa: PTH110  # see stat
        return children
    parents: dict[int, list[int]] = {}
    for pid in pids():
        if found := stat(pid):
            parents.setdefault(found.parent, []).append(pid)
    return lambda pid: parents.get(pid, ())


def oldest_first(processes: Iterable[Process]) -> Sequence[Process]:
    """Sorts parents before their children, also if they started within the same tick of the clock."""
    return sorted(processes, key=lambda process: (int(process.started), process.pid))


def kill_frozen(processes: Collection[Process]) -> None:
    """Kills all of the processes; stops all of them first, so that none forks while others are being killed."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            send_signal(process, number)


def send_signal(process: Process, number: int) -> None:
    """Signals the process, never a later process with the same number; ignores a refusal by the kernel."""
    with contextlib.suppress(OSError):  # the process has ended, or belongs to another user
        pidfd = os.pidfd_open(process.pid)
        try:
            found = stat(process.pid)
            if found is not None and found.process == process:
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)


def prctl(option: int, value: int) -> None:
    """Calls prctl(2).

    Raises:
        OSError: the kernel refuses.
    """
    checked(libc().prctl(option, value, 0, 0, 0), "prctl")


def checked(result: int, what: str) -> None:
    """Checks the result of a call into the C library.

    Raises:
        OSError: the call failed; `what` names it.
    """
    if result != 0:
        import ctypes  # noqa: PLC0415  # see libc

        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


@functools.cache
def libc() -> "ctypes.CDLL":
    """Loads the C library, for system calls without a Python function."""
    import ctypes  # noqa: PLC0415  # Performance: an idle worker never loads ctypes (docs/performance.md)

    return ctypes.CDLL(None, use_errno=True)


def is_namespace_init(pid: int) -> bool:
    """Returns whether the process is the first one of a PID namespace below this one; False if it has ended."""
    numbers = _numbers(pid)
    return len(numbers) > 1 and numbers[-1] == b"1"


def is_namespace_member(pid: int) -> bool:
    """Returns whether the process is in a PID namespace below this one and not its first; False if it has ended."""
    numbers = _numbers(pid)
    return len(numbers) > 1 and numbers[-1] != b"1"


def _numbers(pid: int) -> Sequence[bytes]:
    """Returns the numbers of a process in this PID namespace and in those below; none if the process has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123  # see stat
            return next((line.split()[1:] for line in file if line.startswith(b"NSpid:")), [])
    except OSError:
        return []
