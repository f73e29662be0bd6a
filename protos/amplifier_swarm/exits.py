"""The exit codes of the three programs."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The reason why a program ended."""

    OK = 0  # done, or it was so already
    NEGATIVE = 1  # done, and the answer is no: tasks failed, a check found something
    USAGE = 2  # bad flags or bad input; nothing was changed
    NOT_FOUND = 3  # no such task, worker or token; for swarmd: another one has the database
    DENIED = 4  # the token's role does not allow it
    UNREACHABLE = 5  # no server answers
    UNAUTHENTICATED = 6  # no token, or a wrong one
    CONFLICT = 7  # the present status of the task, worker or swarm does not allow it


class ProgramExit(Exception):
    """The end of a program, with one line on stderr: the fault, and the remedy."""

    def __init__(self, code: ExitCode, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def line(self, program: str) -> str:
        """Returns the line to print."""
        return f"{program}: {self.message}; {self.hint}" if self.hint else f"{program}: {self.message}"
