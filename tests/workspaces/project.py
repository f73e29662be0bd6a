"""A project for sessions that commit for real, and the judgement of its repository afterwards.

Invariant: each file of `parts` has STEPS lines in every commit that passes the project's own check.
"""

import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from support.git_repositories import git, head, log, new_repository

STEPS: Final = 20
TARGET: Final = "swarm/main"
_CHECK: Final = """\
#!/bin/sh
for part in parts/*; do
    [ -e "$part" ] || continue
    [ "$(wc -l < "$part")" -eq {steps} ] || {{ echo "$part is not whole"; exit 1; }}
    [ "$(cut -d' ' -f1 "$part" | sort -u)" = "$(basename "$part")" ] || {{ echo "$part has foreign lines"; exit 1; }}
done
"""
# Commits STEPS times, adds a line where its partner adds one too, and leaves its last file uncommitted.
_BUILDER: Final = """\
#!/bin/sh
exec 2>> {notes}/errors
set -e
say() {{ echo "$1 $SWARM_TASK_ID $SWARM_ATTEMPT $(pwd) $2" >> {notes}/ledger; }}
export GIT_AUTHOR_NAME=builder GIT_AUTHOR_EMAIL=b@example.invalid
me=$SWARM_TASK_ID
say begin -
mkdir -p parts pairs last
touch "parts/$me"
n=$(wc -l < "parts/$me")
while [ "$n" -lt {steps} ]; do
    n=$((n + 1))
    echo "$me $n" >> "parts/$me"
    git add "parts/$me"
    git commit -q -m "$me step $n"
done
pair="pairs/$(echo "$me" | sed 's/.$//')"
grep -qsx "$me" "$pair" || {{ echo "$me" >> "$pair"; git add "$pair"; git commit -q -m "$me joins its pair"; }}
echo "$me $SWARM_ATTEMPT" > "last/$me"
say built "$(git rev-parse HEAD)"
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger: what a session or a check began or ended, and where."""

    word: str
    task: str
    attempt: str
    folder: str
    commit: str


@dataclass(frozen=True)
class Project:
    """A repository of a user, and beside it the ledger and the errors of all sessions."""

    root: Path
    notes: Path
    start: str = ""
    found: Counter[str] = field(default_factory=Counter)

    @classmethod
    def make(cls, folder: Path, *, root: Path) -> "Project":
        """Makes the repository with its check, and the builder's script."""
        notes = folder / "notes"
        notes.mkdir()
        (notes / "builder").write_text(_BUILDER.format(notes=notes, steps=STEPS), encoding="utf-8")
        start = head(new_repository(root, {"check.sh": _CHECK.format(steps=STEPS), "README": "start\n"}))
        return cls(root, notes, start)

    @property
    def builder(self) -> str:
        """The command of the builders."""
        return f"/bin/sh {self.notes / 'builder'}"

    def write_plan(self, path: Path, tasks: Sequence[str], *, land: bool = True) -> None:
        """Writes a plan whose checks leave lines in the ledger; tasks `p0a` and `p0b` are a pair."""
        document = {
            "defaults": {"land": land},
            "landing_checks": [self._noted("landing", "-")],
            "tasks": [
                {"id": task, "name": f"Build {task}", "checks": [self._noted("checks", task)]}
                for task in tasks
            ],
        }
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def _noted(self, word: str, task: str) -> str:
        return f'echo "{word} {task} - $(pwd) -" >> {self.notes}/ledger; sh check.sh'

    def lines(self) -> list[Line]:
        """Returns the complete lines of the ledger."""
        path = self.notes / "ledger"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        # A session that was killed may leave the start of a line.
        rows = (line.split(" ") for line in text.split("\n")[:-1])
        return [Line(*row) for row in rows if len(row) == 5]

    def errors(self) -> str:
        """Returns what the sessions wrote to standard error."""
        path = self.notes / "errors"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def judge(self, tasks: Sequence[str], scratch: Path) -> None:
        """Asserts that every task landed once, that nothing is lost, and that the target was never between."""
        self._judge_target(tasks)
        self._judge_history(scratch)
        self._judge_kept()
        self._judge_branches()

    def _judge_target(self, tasks: Sequence[str]) -> None:
        landed = log(self.root, TARGET, "%(trailers:key=Swarm-Task,valueonly,separator=%x20)")
        assert Counter(landed) == Counter([*tasks, ""]), "each task is on the target exactly once"
        assert git(self.root, "rev-list", "--max-parents=0", TARGET) == self.start

    def _judge_history(self, scratch: Path) -> None:
        """Checks each commit of the target, and that it never had another value."""
        commits = git(self.root, "rev-list", "--reverse", TARGET).split("\n")
        moves = git(self.root, "log", "-g", "--format=%H", TARGET).split("\n")[::-1]
        assert moves == commits, "the target went from landing to landing"
        git(self.root, "clone", "-q", "--shared", "--no-checkout", str(self.root), str(scratch))
        for commit in commits:
            git(scratch, "checkout", "-q", "-f", "--detach", commit)
            _passes(scratch, commit)
        shutil.rmtree(scratch)

    def _judge_kept(self) -> None:
        """Checks that a ref keeps each finished builder's commits, and the file that it had not committed."""
        refs = self.attempt_refs()
        for line in self.lines():
            if line.word != "built":
                continue
            assert git(self.root, "for-each-ref", f"--contains={line.commit}"), f"{line} is lost"
            own = f"refs/swarm/{line.task}/{line.attempt}"
            kept = [name for name in refs if name == own or name.startswith(f"{own}.")]
            texts = {git(self.root, "show", f"{name}:last/{line.task}") for name in kept}
            assert f"{line.task} {line.attempt}" in texts, f"the uncommitted file of {line} is lost"
            self.found["finished builders"] += 1

    def _judge_branches(self) -> None:
        """Checks that each attempt's ref has the commits of its own task only."""
        for name, task in self.attempt_refs().items():
            own = [line for line in log(self.root, name, "%s", "--not", TARGET) if line]
            foreign = [line for line in own if not line.startswith(f"{task} ") and line != f"Build {task}"]
            assert not foreign, f"{name} has commits of other tasks: {foreign}"
            self.found["commits of builders"] += len(own)

    def attempt_refs(self) -> Mapping[str, str]:
        """Returns the task of each attempt's ref."""
        names = git(self.root, "for-each-ref", "--format=%(refname)", "refs/swarm").split("\n")
        parts = [(name, name.split("/")) for name in names if name]
        return {name: found[2] for name, found in parts if found[2] not in {"base", "landing"}}


def _passes(folder: Path, commit: str) -> None:
    done = subprocess.run(("sh", "check.sh"), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{commit} of the target is red: {done.stdout}"
