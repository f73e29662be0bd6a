"""`swarmctl slurm submit` on a real cluster: a plan, scancel, requeue, the time limit, and no process left."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from slurm.cluster import PARTITION, Cluster
from support.landed_plan import WORKERS, LandedPlan
from support.ledger import Ledger
from support.plans import write_plan
from support.programs import BIN, ROOT, Stage
from support.waiting import until

# Leaves a daemon of its own session, then works until somebody lets it end.
HELD = "setsid sleep 1000 & echo $! >> {folder}/daemons\nuntil test -e {folder}/go-$SWARM_TASK_ID; do sleep 0.1; done"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Array:
    """A submitted job array, and where its sessions keep their ledger."""

    cluster: Cluster
    swarm: Stage
    job: str
    log: str

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.swarm.folder / "ledger")

    def said(self, element: int) -> str:
        """Returns the log of an element."""
        file = Path(self.log.replace("%A", self.job).replace("%a", str(element)))
        return file.read_text() if file.exists() else ""

    def let_end(self, task: str) -> None:
        """Lets the session of the task end."""
        (self.swarm.folder / f"go-{task}").touch()

    def element_of(self, task: str) -> str:
        """Returns the number of the element that works on the task."""
        worker = until(lambda: self.swarm.tasks()[task]["worker"], f"{task} has a worker")
        return str(worker).split("-")[2]

    def daemons(self) -> list[int]:
        """Returns the daemons that sessions have left."""
        file = self.swarm.folder / "daemons"
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


@contextmanager
def submitted(slurm: Cluster, swarm: Stage, workers: int, *flags: str) -> Iterator[Array]:
    """Submits an array, and cancels what is left of it at the end."""
    swarm.project.mkdir(exist_ok=True)
    argv = (
        *("--server", swarm.address, "slurm", "submit", "--workers", str(workers), "--partition", PARTITION),
        *(
            "--project-root",
            str(swarm.project),
            "--state-dir",
            str(swarm.folder / "nodes"),
            *flags,
            "-o",
            "json",
        ),
    )
    done = subprocess.run(
        [str(BIN / "swarmctl"), *argv], cwd=swarm.folder, env=swarm.environment() | dict(slurm.env),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    try:
        yield Array(slurm, swarm, found["job"], found["log"])
    finally:
        slurm.run("scancel", "--quiet", found["job"])
        until(lambda: not slurm.elements(found["job"]), "the job is gone", deadline_s=60)


def sessions(swarm: Stage) -> tuple[str, ...]:
    """Returns the flags of workers whose sessions write the ledger and wait."""
    script = Ledger(swarm.folder / "ledger").script(middle=HELD.format(folder=swarm.folder))
    return ("--runner", "command", "--builder-command", str(script), "--no-validation")


def completed(swarm: Stage) -> bool:
    return set(swarm.statuses().values()) == {"completed"}


def test_an_array_completes_the_quickstart_plan_and_leaves_when_it_is_idle(
    slurm: Cluster, swarm: Stage
) -> None:
    swarm.ctl("import", str(ROOT / "examples" / "quickstart" / "tasks.yaml"))

    with submitted(slurm, swarm, 3, "--runner", "embedded", "--exit-when-idle", "3") as array:
        until(lambda: completed(swarm), "the plan is done", deadline_s=200)
        until(lambda: not slurm.elements(array.job), "every element has left by itself", deadline_s=100)

    assert {
        worker["labels"]["partition"] for worker in json.loads(swarm.ctl("workers", "-o", "json").stdout)
    } == {PARTITION}


def test_the_plan_of_the_table_lands_once(slurm: Cluster, swarm: Stage) -> None:
    work = LandedPlan(swarm.folder)
    work.prepare()
    work.write(swarm.folder / "plan.yaml")
    began = time.time()
    swarm.ctl("import", "plan.yaml")
    with submitted(slurm, swarm, WORKERS, *work.flags(), "--exit-when-idle", "4") as array:
        print(work.watch("slurm", began))  # noqa: T201  # the figures of the run
        until(lambda: completed(swarm), "the plan is done")
        until(lambda: not slurm.elements(array.job), "every element has left by itself", deadline_s=100)


def test_a_cancelled_element_loses_nothing_and_leaves_no_process(slurm: Cluster, swarm: Stage) -> None:
    write_plan(swarm.folder / "plan.yaml", {"a": [], "b": [], "c": ["a", "b"]}, max_retries=0)
    swarm.ctl("import", "plan.yaml")
    with submitted(slurm, swarm, 2, *sessions(swarm)) as array:
        until(lambda: len(array.daemons()) == 2, "both tasks run")
        killed = array.element_of("a")
        slurm.run("scancel", f"{array.job}_{killed}")
        until(lambda: killed not in slurm.elements(array.job), "the element has ended", deadline_s=60)
        assert sum(map(alive, array.daemons())) == 1, "what its session left is dead, and the other works on"
        for task in "abc":
            array.let_end(task)
        until(lambda: completed(swarm), "the other element does it all", deadline_s=100)

        assert [array.ledger.starts(task) for task in "abc"] == [2, 1, 1]
        assert "ending the sessions" in array.said(int(killed))


def test_an_element_that_is_requeued_is_the_same_worker_again(slurm: Cluster, swarm: Stage) -> None:
    write_plan(swarm.folder / "plan.yaml", {"a": []}, max_retries=0)
    swarm.ctl("import", "plan.yaml")
    with submitted(slurm, swarm, 1, *sessions(swarm)) as array:
        until(array.daemons, "the task runs")
        name = swarm.tasks()["a"]["worker"]
        slurm.run("scontrol", "requeue", f"{array.job}_1")
        until(lambda: array.ledger.starts("a") == 2, "the task runs again", deadline_s=200)
        assert [alive(pid) for pid in array.daemons()] == [False, True]
        assert swarm.tasks()["a"]["worker"] == name
        array.let_end("a")
        until(lambda: completed(swarm), "it is done")


def test_a_killed_element_frees_its_task_when_it_is_back(slurm: Cluster, swarm: Stage) -> None:
    write_plan(swarm.folder / "plan.yaml", {"a": []}, max_retries=0)
    swarm.ctl("import", "plan.yaml")
    with submitted(slurm, swarm, 1, *sessions(swarm)) as array:
        until(array.daemons, "the task runs")
        [found] = json.loads(swarm.ctl("workers", "-o", "json").stdout)
        os.kill(found["pid"], signal.SIGKILL)
        until(lambda: not slurm.elements(array.job), "the element has ended", deadline_s=60)
        until(lambda: not any(map(alive, array.daemons())), "its sessions are dead")
        assert swarm.statuses() == {"a": "in_progress"}, "silence of seconds proves nothing"

        name = swarm.tasks()["a"]["worker"]
        worker = swarm.worker(str(name), "--state-dir", str(swarm.folder / "nodes"), *sessions(swarm))
        until(lambda: array.ledger.starts("a") == 2, "the same worker proves the end of the first session")
        array.let_end("a")
        until(lambda: completed(swarm), "it is done")
        assert worker.end() == 0


def test_before_the_time_limit_a_worker_takes_no_more_and_finishes(slurm: Cluster, swarm: Stage) -> None:
    write_plan(swarm.folder / "plan.yaml", {"a": [], "b": ["a"]})
    swarm.ctl("import", "plan.yaml")
    with submitted(slurm, swarm, 1, *sessions(swarm), "--time", "2", "--drain", "30") as array:
        until(array.daemons, "the task runs")
        until(lambda: "draining: accepting no new tasks" in array.said(1), "it drains", deadline_s=150)
        array.let_end("a")
        until(lambda: not slurm.elements(array.job), "the element has left", deadline_s=60)

    assert swarm.statuses() == {"a": "completed", "b": "not_started"}
    assert array.ledger.starts("a") == 1
