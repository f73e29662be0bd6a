"""How a session comes to be: the guard forks, and the child becomes the session inside what is to hold it.

In a PID namespace there is one process more, the namespace's first, since that one is no place to work in: it
is deaf to ordinary signals and has everybody's orphans to bury. Its one rule: it holds nothing of the
guard's open, and it ends with the last process of the session. Whoever forks has made sure that no signal is
ignored, for that is the one thing about signals that outlasts an exec. Nothing but the standard library.
"""

import contextlib
import os
import select
import signal
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn

from swarm_worker.guard.containment import PIDNS, become_init, enter_cgroup, unshare_pids
from swarm_worker.guard.procfs import PR_SET_PDEATHSIG, prctl

FAULT_BYTES: Final = 4096
# Its number in its own namespace.
INIT: Final = 1


class SpawnPlan(NamedTuple):
    """What to start, and in what."""

    cwd: str
    argv: list[str]
    env: dict[str, str]
    # What becomes its stdin, stdout and stderr.
    streams: Sequence[int]
    level: str
    # The session's own control group, which exists; empty for none.
    cgroup: str
    # What the guard alone may have open.
    private: Sequence[int]


class Spawned(NamedTuple):
    """The guard's child, and what became of the start."""

    pid: int
    fault: str
    # Where the first process of a namespace tells the session's exit code; -1 if the child is the session.
    codes: int


def spawn(plan: SpawnPlan) -> Spawned:
    """Starts the session; there is a fault, at once, if that can't be done."""
    told, tells = os.pipe()
    codes, coded = os.pipe() if plan.level == PIDNS else (-1, -1)
    try:
        if plan.level == PIDNS:
            unshare_pids()
    except OSError as error:
        return Spawned(-1, f"can't start a PID namespace: {error}", -1)
    guard = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        if plan.level == PIDNS:
            _become_init(plan, tells, codes, coded)
        _become_session(plan, tells, parent=guard)
    os.close(tells)
    if coded >= 0:
        os.close(coded)
    fault = os.read(told, FAULT_BYTES).decode(errors="replace")  # or empty, when the exec closes it
    os.close(told)
    return Spawned(pid, fault, codes)


def _become_init(plan: SpawnPlan, tells: int, codes: int, coded: int) -> NoReturn:
    try:
        os.close(codes)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        become_init()
        if _is_orphan(tells):
            os._exit(1)
        main = os.fork()
        if main == 0:
            _become_session(plan, tells, parent=INIT)
        for fd in (*plan.private, *plan.streams, tells):
            os.close(fd)
        _bury(main, coded)
    except OSError as error:
        os.write(tells, f"can't enter a PID namespace: {error}".encode()[:FAULT_BYTES])
    finally:
        os._exit(0)


def _bury(main: int, coded: int) -> None:
    """Reaps until nobody is left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == main:
                os.write(coded, str(os.waitstatus_to_exitcode(status)).encode())


def _become_session(plan: SpawnPlan, tells: int, *, parent: int) -> NoReturn:
    # All at once: what is touched between fork and exec is copied, a lookup of each by name adds pages.
    cwd, argv, env, streams, _, cgroup, _ = plan
    doing = "enter a control group"
    try:
        os.setsid()  # so that a session which signals its group does not hit its guard
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it had died before its death could send a signal
            os._exit(1)
        if cgroup:
            enter_cgroup(cgroup)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        doing = "enter " + cwd
        os.chdir(cwd)
        doing = "start " + argv[0]
        # Python's own search for a program is long; it is done for those alone that need it.
        execute = os.execve if "/" in argv[0] else os.execvpe
        execute(argv[0], argv, env)
    except (OSError, ValueError) as error:
        os.write(tells, f"can't {doing}: {getattr(error, 'strerror', error)}".encode()[:FAULT_BYTES])
    finally:
        os._exit(127)


def _is_orphan(tells: int) -> bool:
    """The same for a process that can't see its parent's number: the guard alone reads that pipe."""
    poll = select.poll()
    poll.register(tells, 0)
    return bool(poll.poll(0))
