"""Finds programs. Its one rule: without shutil, whose compressors are half a MiB that nothing else here needs."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amplifier_swarm.text import one_line


def find_program(name: str, *, path: str) -> str | None:
    """The program of that name on `path`, or the one that the name itself is the place of; None if there is none."""
    folders = path.split(os.pathsep) if path else []
    places = [name] if os.sep in name else [f"{folder or os.curdir}/{name}" for folder in folders]
    return next(filter(_can_run, places), None)


def _can_run(file: str) -> bool:
    return os.access(file, os.X_OK) and not os.path.isdir(file)  # noqa: PTH112  # a name stays as it was given


SAID_CHARS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program answered; code None if it could not be run or did not end in time."""

    code: int | None
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last line that is worth showing."""
        lines = [line for line in f"{self.out}\n{self.err}".splitlines() if line.strip()]
        failed = [line for line in lines if "FAIL" in line]
        return one_line((failed or lines or ["it said nothing"])[-1], SAID_CHARS)


def ask(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float) -> Answer:
    """Runs a program that ends by itself; nothing has been started yet that a fork could harm."""
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
        return Answer(None, "", f"no answer in {timeout_s:g} s")
    except OSError as error:
        return Answer(None, "", f"can't start it: {error.strerror}")
    return Answer(done.returncode, done.stdout, done.stderr)
