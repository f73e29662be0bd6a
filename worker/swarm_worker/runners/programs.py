"""Programs that answer a question about themselves and exit."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amplifier_swarm.text import one_line

LAST_LINE_CHARS = 300


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """A program's exit code and output; the code is None if the program did not start or did not exit in time."""

    code: int | None
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """Returns the last line with FAIL in it, else the last line that is not blank."""
        from swarm_worker.output.json_objects import plain_text  # noqa: PLC0415  # an idle worker does not load it

        # Errors may stand in a frame, whose last line says nothing.
        lines = [line for line in plain_text(f"{self.out}\n{self.err}").splitlines() if line.strip()]
        failed = [line for line in lines if "FAIL" in line]
        return one_line((failed or lines or ["it printed nothing"])[-1], LAST_LINE_CHARS)

    @property
    def error_line(self) -> str:
        """Returns the last line of the errors, else the exit code."""
        return one_line(
            (self.err.strip().splitlines() or [f"it ended with {self.code}"])[-1], LAST_LINE_CHARS
        )


def run_program(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float) -> ProgramAnswer:
    """Runs a program until it exits, at most `timeout_s`. Call it before the worker starts threads or guards."""
    try:
        done = subprocess.run(
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return ProgramAnswer(None, "", f"no answer in {timeout_s:g} s")
    except OSError as error:
        return ProgramAnswer(None, "", f"can't start it: {error.strerror or error}")
    return ProgramAnswer(done.returncode, done.stdout, done.stderr)
