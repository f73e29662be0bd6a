"""The ledger of sessions: each writes a line at its start and at its end, and `judge` checks the lines."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from support.plans import Plan

PASS = '{"verdict": "PASS"}'


@dataclass(frozen=True)
class Ledger:
    """A file of `start|end TASK ATTEMPT ROLE PID` lines, in the order in which they happened."""

    path: Path

    def script(self, *, middle: str = "") -> Path:
        """Writes a session script that keeps the ledger and runs `middle` (shell) between its two lines."""
        script = self.path.with_suffix(".sh")
        line = "$SWARM_TASK_ID $SWARM_ATTEMPT $SWARM_ROLE $$"
        script.write_text(
            f'#!/bin/sh\necho "start {line}" >> {self.path}\n{middle}\n'
            f"echo \"end {line}\" >> {self.path}\necho '{PASS}'\n"
        )
        script.chmod(0o755)
        return script

    def lines(self) -> list[list[str]]:
        """Returns the lines so far, split into words."""
        if not self.path.exists():
            return []
        return [line.split() for line in self.path.read_text().splitlines()]

    def pids(self) -> list[int]:
        """Returns the pids of the sessions that started."""
        return [int(line[4]) for line in self.lines() if line[0] == "start"]

    def starts(self, task: str) -> int:
        """Returns the number of builders of that task that started."""
        return sum(line[:2] == ["start", task] and line[3] == "builder" for line in self.lines())

    def judge(self, plan: Plan) -> None:
        """Asserts that every task ran exactly once, and none before all its dependencies had ended."""
        starts = Counter(line[1] for line in self.lines() if line[0] == "start")
        ends = Counter(line[1] for line in self.lines() if line[0] == "end")
        assert starts == Counter(list(plan)), "each task began exactly once"
        assert ends == starts, "each task that began has ended"
        ended: set[str] = set()
        for word, task, *_ in self.lines():
            if word == "start":
                assert set(plan[task]) <= ended, f"{task} began before {set(plan[task]) - ended} had ended"
            else:
                ended.add(task)
