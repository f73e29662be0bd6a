"""Containment levels: the means, besides a subreaper, that keep a session's processes together.

- `subreaper` needs no right and changes nothing for the session.
- `cgroup2` adds a control group for each session, if the worker may make groups below its own. The kernel kills a
  group's processes in one step, also when guard and worker are dead.
- `pidns` gives each session a PID namespace, which dies with its guard whatever the session does. The session then
  has its own process numbers and, without root, its own view of users; some tools do not work with that.

Only the standard library is imported.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from swarm_worker.guard.procfs import PR_SET_DUMPABLE, PR_SET_PDEATHSIG, checked, libc, prctl

SUBREAPER: Final = "subreaper"
CGROUP2: Final = "cgroup2"
PIDNS: Final = "pidns"

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000
MS_NOSUID_NODEV_NOEXEC: Final = 0x2 | 0x4 | 0x8
MS_BIND: Final = 0x1000
MS_REC_PRIVATE: Final = 0x4000 | 0x4_0000


class Containment(NamedTuple):
    """A level, and for `cgroup2` the group below which each session gets a group of its own."""

    level: str = SUBREAPER
    cgroup: str = ""


def strongest() -> Containment:
    """Returns the strongest level that a session can't notice."""
    cgroup = own_cgroup()
    return Containment(CGROUP2, cgroup) if cgroup else Containment()


def own_cgroup() -> str:
    """Returns the folder of this process's control group if groups can be made and killed below it, else ""."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:  # noqa: PTH123  # see procfs.stat
            path = next(line[3:].rstrip("\n") for line in file if line.startswith("0::"))
        with open("/proc/self/mountinfo", encoding="utf-8") as file:  # noqa: PTH123
            mount = next(line.split()[4] for line in file if " - cgroup2 " in line)
    except (OSError, StopIteration):
        return ""
    # A worker that gives its sessions limits has moved itself one level down; see supervision.limit_groups.
    folder = os.path.normpath(mount + path).removesuffix(f"/{worker_group()}")
    # The machine's root group has no such file and must not be used.
    usable = os.path.exists(f"{folder}/cgroup.kill") and os.access(f"{folder}/cgroup.procs", os.W_OK)  # noqa: PTH110
    return folder if usable and os.access(folder, os.W_OK) else ""


def worker_group() -> str:
    """Returns the name of the group that a worker moves itself to, so that the group above may have limits."""
    return f"swarm-worker-{os.getpid()}"


def make_cgroup(folder: str) -> bool:
    """Makes a group; returns whether the group exists now."""
    try:
        os.mkdir(folder)  # noqa: PTH102  # see procfs.stat
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def enter_cgroup(folder: str) -> None:
    """Moves this process, and with it all that it will start, into the group."""
    _write(f"{folder}/cgroup.procs", "0")


def kill_cgroup(folder: str) -> None:
    """Kills every process in the group and in the groups below it; no process can be added meanwhile."""
    with contextlib.suppress(OSError):  # the group is gone already
        _write(f"{folder}/cgroup.kill", "1")
    # The kernel signals only the main thread of each process, so a process whose main thread has exited lives on.
    for below, _, _ in os.walk(folder):
        for pid in _members(below):
            with contextlib.suppress(OSError):  # it has ended
                os.kill(pid, signal.SIGKILL)


def _members(folder: str) -> list[int]:
    """Returns the processes of one group; none if the group is gone."""
    try:
        with open(f"{folder}/cgroup.procs", encoding="ascii") as file:  # noqa: PTH123  # see procfs.stat
            return [int(pid) for pid in file.read().split() if int(pid) > 0]
    except OSError:
        return []


def remove_cgroup(folder: str) -> bool:
    """Removes the group and the groups below it; returns False while a process lives in one of them."""
    try:
        for below, _, _ in os.walk(folder, topdown=False, onerror=_raise):
            os.rmdir(below)  # noqa: PTH106  # see procfs.stat
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _raise(error: OSError) -> None:
    """Makes a walk fail where it can't look."""
    raise error


def cgroups(parent: str, prefix: str) -> Iterator[str]:
    """Yields the groups right below `parent` whose names begin with the prefix."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):  # noqa: PTH208  # see procfs.stat
            if name.startswith(prefix):
                yield f"{parent}/{name}"


def unshare_pids() -> None:
    """Makes the next child of this process the first of a new PID namespace.

    Raises:
        OSError: the kernel refuses.
    """
    try:
        _unshare(CLONE_NEWPID)
    except PermissionError:
        user, group = os.getuid(), os.getgid()
        _unshare(CLONE_NEWUSER | CLONE_NEWPID)
        # The files of a process that is not dumpable belong to root.
        prctl(PR_SET_DUMPABLE, 1)
        try:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
        finally:
            prctl(PR_SET_DUMPABLE, 0)


def enter_namespace_as_init() -> None:
    """Prepares the first process of a namespace: it dies with its parent and sees the /proc of the namespace."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _unshare(CLONE_NEWNS)
    _mount("none", "/", "none", MS_REC_PRIVATE)
    _mount("proc", "/proc", "proc", MS_NOSUID_NODEV_NOEXEC)


def hide_paths(hidden: Sequence[str], kept: Sequence[str]) -> None:
    """Makes folders look empty and files look empty, except for what is kept; in the own mount namespace only.

    A path that does not exist is left out.
    """
    handles = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in kept if os.path.exists(path)}  # noqa: PTH110
    for path in hidden:
        if os.path.isdir(path):  # noqa: PTH112  # see procfs.stat
            _mount("none", path, "tmpfs", MS_NOSUID_NODEV_NOEXEC)
        elif os.path.exists(path):  # noqa: PTH110
            _mount(os.devnull, path, "none", MS_BIND)
    for path, handle in handles.items():
        source = f"/proc/self/fd/{handle}"
        if os.path.isdir(source):  # noqa: PTH112
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
        elif not os.path.exists(path):  # noqa: PTH110
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        _mount(source, path, "none", MS_BIND)
        os.close(handle)


def _unshare(flags: int) -> None:
    checked(libc().unshare(flags), "unshare")


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    import ctypes  # noqa: PLC0415  # see libc

    names = (source.encode(), target.encode(), kind.encode())
    checked(libc().mount(*names, ctypes.c_ulong(flags), None), f"mount {target}")


def _write(path: str, text: str) -> None:
    # As bytes: a codec would be loaded here, and a process in a new user namespace may no longer be able to read it.
    with open(path, "wb") as file:  # noqa: PTH123  # see procfs.stat
        file.write(text.encode())
