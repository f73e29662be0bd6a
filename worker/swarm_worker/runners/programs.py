"""Programs that are asked something and end by themselves."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amplifier_swarm.text import one_line

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
