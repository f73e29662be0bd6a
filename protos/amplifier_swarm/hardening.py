"""Protection of a process's memory from other processes of the same user.

Sessions have the user of their worker. Without the protection they read tokens and leases from its memory, or from the
memory and the environment of a server on the same machine.
"""

import contextlib
import resource
import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4


def protect_process() -> None:
    """Makes this process unreadable for other processes of its user, and forbids its core dumps.

    Root and CAP_SYS_PTRACE still read it. Forks inherit both; an exec keeps the limit and ends the rest, so a program
    that is started can be debugged as usual. Only the soft limit is set, so that such a program can raise it.
    """
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        with contextlib.suppress(ImportError):  # a Python without libffi
            _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    # Performance: ctypes itself takes 0.4 MiB, its extension module 0.2 MiB (docs/performance.md).
    import _ctypes  # noqa: PLC0415  # may be missing

    this_program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is what dlopen(3) calls NULL
    prctl = _ctypes.dlsym(this_program, "prctl")
    if _ctypes.call_function(prctl, (option, value, 0, 0, 0)) != 0:
        raise OSError(f"prctl({option}, {value}) failed")
