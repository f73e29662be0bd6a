"""A plan that every engine can run: its sessions keep a ledger with times, and its work lands in a repository."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from support.git_repositories import git, new_repository
from support.waiting import until

TASKS: Final = 16
WORKERS: Final = 4
SESSION_S: Final = 6.0
TARGET: Final = "swarm/done"


@dataclass(frozen=True)
class LandedPlan:
    """A folder with the repository, the builder and the ledger of one run; `session_s` is how long a session takes.

    Sessions of tasks whose ids begin with `long` take ten minutes.
    """

    folder: Path
    session_s: float = SESSION_S

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def builder(self) -> Path:
        return self.folder / "builder.sh"

    @property
    def task_ids(self) -> Sequence[str]:
        return [f"t{number}" for number in range(TASKS)]

    def prepare(self) -> None:
        """Makes the repository, and a builder that makes a file for its task."""
        new_repository(self.repository)
        line = "$SWARM_TASK_ID $SWARM_ATTEMPT $$"
        self.builder.write_text(
            f'#!/bin/sh\necho "start {line} $(date +%s.%N)" >> {self.folder}/ledger\n'
            f'case "$SWARM_TASK_ID" in long*) sleep 600 ;; *) sleep {self.session_s} ;; esac\n'
            f'echo "$SWARM_TASK_ID" > "$SWARM_TASK_ID.txt"\n'
            f'echo "end {line} $(date +%s.%N)" >> {self.folder}/ledger\n'
            'echo \'{"status": "completed"}\'\n'
        )
        self.builder.chmod(0o755)

    def write(self, path: Path) -> None:
        """Writes the plan as a task file."""
        path.write_text(yaml.safe_dump({"tasks": [{"id": task, "name": task} for task in self.task_ids]}))

    def flags(self) -> Sequence[str]:
        """Returns the flags of the workers."""
        runner = ("--runner", "command", "--builder-command", str(self.builder), "--no-validation")
        return ("--repo", str(self.repository), "--target", TARGET, *runner)

    def lines(self) -> list[list[str]]:
        """Returns the ledger: `start|end TASK ATTEMPT PID TIME`, in the order in which it happened."""
        file = self.folder / "ledger"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def landed(self) -> Counter[str]:
        """Counts the commits of each task on the target."""
        trailers = "--format=%(trailers:key=Swarm-Task,valueonly,separator=%x2C)"
        # The repository may belong to the user of a container.
        own = ("-c", f"safe.directory={self.repository}/.git", "-c", f"safe.directory={self.repository}")
        if not git(self.repository, *own, "for-each-ref", f"refs/heads/{TARGET}"):
            return Counter()
        found = git(self.repository, *own, "log", trailers, TARGET).split("\n")
        return Counter(task for task in found if task)

    def watch(self, engine: str, began_s: float, *, deadline_s: float = 180) -> str:
        """Waits until all work has landed; returns the line of the table. Fails if a task was lost or done twice.

        `began_s` is the time just before the plan was applied, in seconds since the epoch.
        """
        until(
            lambda: self.landed().keys() == set(self.task_ids), "all work has landed", deadline_s=deadline_s
        )
        done_s = time.time() - began_s
        starts = [float(line[4]) for line in self.lines() if line[0] == "start"]
        begun, landed = Counter(line[1] for line in self.lines() if line[0] == "start"), self.landed()
        lost = [task for task in self.task_ids if not landed[task]]
        doubled = [task for task in self.task_ids if begun[task] > 1 or landed[task] > 1]
        assert (lost, doubled) == ([], [])
        return (
            f"{engine}: first session after {min(starts) - began_s:.1f} s, {WORKERS} at work after"
            f" {sorted(starts)[WORKERS - 1] - began_s:.1f} s, all landed after {done_s:.1f} s,"
            f" lost {len(lost)}, doubled {len(doubled)} of {TASKS}"
        )
