"""The job script of an array of workers, and its submission by `sbatch`."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import one_line

_BODY: Final = Path(__file__).with_name("worker.sh")


@dataclass(frozen=True, slots=True)
class WorkerArray:
    """A job array: the number of its workers, what it asks of Slurm, and the command line of each worker."""

    workers: int
    # The arguments of swarm-worker, its path first, without its name, its state folder and the label of its partition.
    argv: Sequence[str]
    log: Path
    partition: str = ""
    # As `sbatch --time` reads it; empty for the limit of the partition.
    time: str = ""
    # Seconds before the time limit.
    drain_s: int = 300
    # A folder that all nodes share; None for one on the disk of each node.
    state_dir: Path | None = None
    # More options of sbatch, each as one argument.
    options: Sequence[str] = ()

    def script(self) -> str:
        """Returns the job script.

        Raises:
            ProgramExit: An option can't stand in a line of the script.
        """
        wanted = {
            "job-name": "swarm-worker",
            "array": f"1-{self.workers}",
            "nodes": "1",
            "ntasks": "1",
            "partition": self.partition,
            "time": self.time,
            "signal": f"B:USR1@{self.drain_s}",
            "output": str(self.log),
            "open-mode": "append",
        }
        options = [f"--{name}={value}" for name, value in wanted.items() if value]
        lines = [f"#SBATCH {_checked(option)}" for option in (*options, "--requeue", *self.options)]
        state = shlex.quote(str(self.state_dir)) if self.state_dir else ""
        head = ("#!/bin/sh", *lines, "", f"set -- {shlex.join(self.argv)}", f"state={state}")
        return "\n".join(head) + "\n" + _BODY.read_text(encoding="utf-8")


def submit(script: str) -> str:
    """Submits the script and returns the number of the job.

    Raises:
        ProgramExit: There is no Slurm here, or it refuses the job.
    """
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            "sbatch is not on PATH",
            hint="run this where jobs are submitted, or add --print",
        )
    done = subprocess.run(
        [sbatch, "--parsable"], input=script, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        said = one_line(done.stderr.strip() or f"it ended with {done.returncode}", 500)
        raise ProgramExit(ExitCode.NEGATIVE, f"sbatch refuses the job: {said}", hint="nothing was submitted")
    return done.stdout.strip().partition(";")[0]


def _checked(option: str) -> str:
    # A line of the script ends at a line break; what follows would be a command.
    if not option.startswith("--") or not option.isprintable():
        raise ProgramExit(
            ExitCode.USAGE, f"{option!r} is not an option of sbatch", hint="for example --sbatch=--gres=gpu:1"
        )
    return option
