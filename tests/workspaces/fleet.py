"""A server and workers that make clones of one repository, and the ways in which they die."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from support.programs import Program, Stage, stage
from support.waiting import until
from workspaces.project import Line, Project

# Silence alone loses no attempt: on a busy machine, only a death should.
PACE: Final = ("--heartbeat-interval", "0.5", "--lost-after", "120", "--retry-backoff", "0.05")
END_S: Final = 300.0
OVER: Final = frozenset({"completed", "failed", "skipped", "killed"})


@dataclass
class CloneFleet:
    """The programs of one swarm; all state is below one folder and outlives them."""

    stage: Stage
    project: Project
    server: Program
    workers: dict[str, Program] = field(default_factory=dict)
    # Whether work is kept until its landing is ordered.
    keeps: bool = False

    def enlist(self, *names: str) -> None:
        """Starts workers, or starts them again."""
        flags = ("--workspace", "clone", "--runner", "command", "--no-validation", "--kill-grace", "1")
        for name in names:
            self.workers[name] = self.stage.worker(
                name, *flags, "--builder-command", self.project.builder, "--log-format", "json"
            )

    def add(self, tasks: Sequence[str]) -> None:
        """Gives the swarm further tasks."""
        path = self.stage.folder / "plan.yaml"
        self.project.write_plan(path, tasks, land=not self.keeps)
        self.stage.ctl("import", str(path))

    def order_landings(self) -> bool:
        """Orders the landing of all kept work; returns whether there was any."""
        kept = [
            task
            for task, found in self.stage.tasks().items()
            if found["status"] == "completed" and not found["landed"]
        ]
        if self.keeps and kept:
            self.stage.ctl("land", *kept)
        return self.keeps and bool(kept)

    def kill_worker(self, line: Line) -> None:
        """Kills the worker in whose clone the line was written, and starts it again."""
        name = next(part for part in Path(line.folder).parts if part in self.workers)
        self.workers[name].kill()
        self.enlist(name)

    def kill_server(self) -> None:
        """Kills the server, and starts it again."""
        self.server.kill()
        self.server = self.stage.swarmd(*PACE)

    def kill_machine(self) -> None:
        """Kills server, workers, guards and sessions, as a loss of power would, and starts the programs again."""
        while pids := self._processes():
            for pid in pids:
                _kill(pid)
            for program in self.stage.programs:
                program.process.poll()
        self.server = self.stage.swarmd(*PACE)
        self.enlist(*self.workers)

    def _processes(self) -> list[int]:
        """Returns the processes that the programs have left, by the folder that their environment names."""
        mark = os.fsencode(f"{self.stage.folder}/")
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def over(self) -> bool:
        """Returns whether every task has ended; a task that lost too many workers gets another chance."""
        statuses = self.stage.statuses()
        if failed := [task for task, status in statuses.items() if status == "failed"]:
            self.project.found["tasks retried by hand"] += len(failed)
            self.stage.ctl("retry", *failed)
            return False
        return set(statuses.values()) <= OVER and not self.order_landings()

    def finish(self) -> None:
        """Waits until every task is completed, and ends the programs as an operator would."""
        until(self.over, "every task has ended", deadline_s=END_S)
        assert set(self.stage.statuses().values()) == {"completed"}
        for name, worker in self.workers.items():
            assert worker.end(signal.SIGTERM, within_s=60) == 0, f"{name} ended badly: {worker.said()}"
        assert self.server.end() == 0, self.server.said()

    def judge(self, tasks: Sequence[str]) -> None:
        """Asserts what must hold after the programs have ended."""
        self.project.judge(tasks, self.stage.folder / "history")
        said = self.project.errors() + "".join(program.said() for program in self.stage.programs)
        assert "index.lock" not in said, said
        assert "Traceback" not in said, said


@contextmanager
def fleet(folder: Path, *, workers: int, keeps: bool = False) -> Iterator[CloneFleet]:
    """Yields a fleet whose programs have ended when the block ends; `keeps` lets nothing land without an order."""
    with stage(folder) as found:
        project = Project.make(folder, root=found.project)
        swarm = CloneFleet(found, project, found.swarmd(*PACE), keeps=keeps)
        swarm.enlist(*(f"w{number}" for number in range(workers)))
        yield swarm


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
