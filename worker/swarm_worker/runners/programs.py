"""Programs on PATH, and their answers about themselves.

Performance: `find_program` replaces shutil.which, since shutil loads 0.5 MiB of compressors (docs/performance.md).
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amplifier_swarm.text import one_line


def find_program(name: str, *, path: str) -> str | None:
    """Returns the first executable file of that name on `path`, or None; a name with a slash is a path already."""
    folders = path.split(os.pathsep) if path else []
    candidates = [name] if os.sep in name else [f"{folder or os.curdir}/{name}" for folder in folders]
    return next(filter(_is_executable, candidates), None)


def _is_executable(file: str) -> bool:
    return os.access(file, os.X_OK) and not os.path.isdir(file)  # noqa: PTH112  # Path would normalise the name


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
        lines = [line for line in f"{self.out}\n{self.err}".splitlines() if line.strip()]
        failed = [line for line in lines if "FAIL" in line]
        return one_line((failed or lines or ["it printed nothing"])[-1], LAST_LINE_CHARS)


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
        return ProgramAnswer(None, "", f"can't start it: {error.strerror}")
    return ProgramAnswer(done.returncode, done.stdout, done.stderr)
