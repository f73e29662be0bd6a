"""Start of a session: the guard forks, and the child becomes the session inside its containment.

In a PID namespace there is one process more, the first of the namespace. A session can't work in that place: the
kernel withholds ordinary signals from it and gives it all orphans to reap.

Invariant: the first process of a namespace keeps nothing of the guard's open, and ends with the last process of the
session. The caller has made sure that no signal is ignored, since that is what an exec leaves in place.
Only the standard library is imported.
"""

import contextlib
import os
import select
import signal
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn

from swarm_worker.guard.containment import (
    PIDNS,
    enter_cgroup,
    enter_namespace_as_init,
    hide_paths,
    unshare_pids,
)
from swarm_worker.guard.procfs import PR_SET_PDEATHSIG, prctl

ERROR_BYTES: Final = 4096
# Number of the first process in its own namespace.
INIT_PID: Final = 1


class SpawnPlan(NamedTuple):
    """A program to start, and its containment."""

    cwd: str
    argv: list[str]
    env: dict[str, str]
    # Become stdin, stdout and stderr.
    streams: Sequence[int]
    level: str
    # The session's own control groups, which exist.
    cgroups: Sequence[str]
    # Descriptors that only the guard may keep.
    private: Sequence[int]
    umask: int = 0o022
    # See containment.hide_paths.
    hidden: Sequence[str] = ()
    kept: Sequence[str] = ()


class Spawned(NamedTuple):
    """The guard's child, and whether the start succeeded."""

    pid: int
    # Empty if the program was started.
    error: str
    # Where the first process of a namespace writes the session's exit code; -1 if the child is the session.
    exit_r: int


def spawn(plan: SpawnPlan) -> Spawned:
    """Starts the session; returns when its program runs or can't run."""
    error_r, error_w = os.pipe()
    exit_r, exit_w = os.pipe() if plan.level == PIDNS else (-1, -1)
    try:
        if plan.level == PIDNS:
            unshare_pids()
    except OSError as error:
        return Spawned(-1, f"can't start a PID namespace: {error}", -1)
    guard = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(error_r)
        if plan.level == PIDNS:
            _become_init(plan, error_w, exit_r, exit_w)
        _become_session(plan, error_w, parent=guard)
    os.close(error_w)
    if exit_w >= 0:
        os.close(exit_w)
    error_text = os.read(error_r, ERROR_BYTES).decode(errors="replace")  # empty when the exec closes the pipe
    os.close(error_r)
    return Spawned(pid, error_text, exit_r)


def _become_init(plan: SpawnPlan, error_w: int, exit_r: int, exit_w: int) -> NoReturn:
    try:
        os.close(exit_r)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        enter_namespace_as_init()
        if plan.hidden:
            hide_paths(plan.hidden, plan.kept)
        if _has_no_reader(error_w):  # the guard has died
            os._exit(1)
        main = os.fork()
        if main == 0:
            _become_session(plan, error_w, parent=INIT_PID)
        for fd in (*plan.private, *plan.streams, error_w):
            os.close(fd)
        _reap_all(main, exit_w)
    except OSError as error:
        os.write(error_w, f"can't enter a PID namespace: {error}".encode()[:ERROR_BYTES])
    finally:
        os._exit(0)


def _reap_all(main: int, exit_w: int) -> None:
    """Reaps until no process is left, and writes the exit code of `main`."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == main:
                os.write(exit_w, str(os.waitstatus_to_exitcode(status)).encode())


def _become_session(plan: SpawnPlan, error_w: int, *, parent: int) -> NoReturn:
    # Performance: locals, since a lookup of each field by name touches pages that the fork then copies
    # (docs/performance.md).
    cwd, argv, env, streams, _, cgroups, _, umask, _, _ = plan
    doing = "enter a control group"
    try:
        os.setsid()  # so that a session which signals its process group does not hit its guard
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before its death could send a signal
            os._exit(1)
        for cgroup in cgroups:
            enter_cgroup(cgroup)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.umask(umask)
        doing = "enter " + cwd
        os.chdir(cwd)
        doing = "start " + argv[0]
        # Performance: only a bare name needs Python's long search of PATH (docs/performance.md).
        execute = os.execve if "/" in argv[0] else os.execvpe
        execute(argv[0], argv, env)
    except (OSError, ValueError) as error:
        os.write(
            error_w, f"can't {doing}: {getattr(error, 'strerror', None) or error}".encode()[:ERROR_BYTES]
        )
    finally:
        os._exit(127)


def _has_no_reader(pipe_w: int) -> bool:
    """Returns whether the reader of a pipe is gone; a process in a namespace can't see its parent's number."""
    poll = select.poll()
    poll.register(pipe_w, 0)
    return bool(poll.poll(0))
