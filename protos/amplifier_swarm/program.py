"""The frame of the daemons' main functions: streams, exit codes, and one line for every expected end."""

import _thread
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from amplifier_swarm import standard_streams
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.init_process import leave_init_process


class _Limit(NamedTuple):
    message: str
    hint: str


# The limits of the machine that a program can meet at any call, and the settings that raise them.
_LIMITS: Final = {
    errno.EMFILE: _Limit("too many open files", "raise the limit: ulimit -n, or LimitNOFILE= of the unit"),
    errno.ENFILE: _Limit("the machine has too many open files", "raise the sysctl fs.file-max"),
    errno.EAGAIN: _Limit(
        "no more processes or threads", "raise the limit: ulimit -u, TasksMax=, or pids.max"
    ),
    errno.ENOMEM: _Limit("no more memory", "give the machine or the container more memory"),
}


def run_main(name: str, body: Callable[[], int]) -> NoReturn:
    """Runs the body of a program and ends the process with its exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # grpc reads it when it is imported
    leave_init_process()
    standard_streams.open_closed_streams()
    try:
        code = body()
    except ProgramExit as end:
        code = _report(name, end)
    except KeyboardInterrupt:  # before the program handles signals itself
        code = 128 + signal.SIGINT
    except (OSError, RuntimeError, MemoryError) as error:
        if (limit := exit_for_limit(error)) is None:
            raise
        code = _report(name, limit)
    sys.exit(code)


def exit_for_limit(error: BaseException) -> ProgramExit | None:
    """Returns the end of a program that met a limit of the machine; None for every other error."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError):
        number = errno.ENOMEM
    elif isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        number = errno.EAGAIN
    if number not in _LIMITS:
        return None
    limit = _LIMITS[number]
    return ProgramExit(ExitCode.NEGATIVE, limit.message, hint=limit.hint)


def check_threads(count: int) -> None:
    """Raises ProgramExit unless the system has this many threads to give.

    gRPC crashes or hangs where it gets none, so a program asks before it uses gRPC. The threads have stacks of the
    usual size, so that later threads use the same stacks again.
    """
    gate, ended = threading.Lock(), threading.Semaphore(0)

    def wait() -> None:
        with gate:
            ended.release()

    started = 0
    try:
        with gate:
            for _ in range(count):
                _thread.start_new_thread(wait, ())
                started += 1
    except RuntimeError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, _LIMITS[errno.EAGAIN].message, hint=_LIMITS[errno.EAGAIN].hint
        ) from error
    finally:
        for _ in range(started):
            ended.acquire()


def check_working_directory() -> None:
    """Raises ProgramExit if the working directory is gone: no relative path would mean anything."""
    try:
        os.getcwd()  # noqa: PTH109  # Path.cwd() is the same call
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE,
            f"the working directory can't be used: {error.strerror}",
            hint="start the program in a folder that exists",
        ) from error


def _report(name: str, end: ProgramExit) -> int:
    standard_streams.print_error(end.line(name))
    return end.code
