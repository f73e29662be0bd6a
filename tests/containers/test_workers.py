"""The image `swarm-worker`: it works for a server in another container, drains, dies and comes back."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from containers.conftest import USER
from containers.engine import Container, new_volume, podman, running
from containers.test_server import READ_ONLY, port_of
from support.landed_plan import WORKERS, LandedPlan
from support.ledger import Ledger
from support.plans import random_plan, write_plan
from support.waiting import until

AS_USER = ("--user", f"{USER}:0", "--shm-size", "64m")
# Until somebody lets the session end.
HELD = "until test -e {go}; do sleep 0.1; done"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Fleet:
    """A server in a container, and the way in which its workers start."""

    def __init__(self, server: Container, address: str, folder: Path) -> None:
        self._server, self._address, self._folder = server, address, folder
        self.ledger = Ledger(folder / "ledger")
        self.go = folder / "go"
        self._token = self.ctl("token", "create", "--role", "worker")["token"]

    def ctl(self, *argv: str) -> Any:
        """Runs swarmctl in the server's container; returns its document."""
        return json.loads(
            self._server.exec("swarmctl", "--server", self._address, *argv, "-o", "json").stdout
        )

    def take(self, plan: Mapping[str, Sequence[str]]) -> None:
        """Imports a plan."""
        file = self._folder / "plan.yaml"
        write_plan(file, plan)
        self.take_file(file)

    def take_file(self, file: Path) -> None:
        """Imports a task file."""
        done = podman("cp", str(file), f"{self._server.name}:/data/plan.yaml")
        assert done.returncode == 0
        self._server.exec("swarmctl", "--server", self._address, "import", "/data/plan.yaml")

    def statuses(self) -> dict[str, str]:
        """Returns the status of each task."""
        return {task["id"]: task["status"] for task in self.ctl("list", "--limit", "0")}

    def worker(
        self, name: str, state: str, *argv: str, hold: bool = False
    ) -> AbstractContextManager[Container]:
        """Starts a worker that keeps its state in the volume."""
        script = self.ledger.script(middle=HELD.format(go=self.go) if hold else "")
        script.chmod(0o755)
        flags = (
            *("--read-only", "--memory", "512m", "--pids-limit", "200", *AS_USER, "-v", f"{state}:/state:U"),
            *("-v", f"{self._folder}:{self._folder}", "-e", f"SWARM_WORKER_PROJECT_ROOT={self._folder}"),
            *("-e", f"SWARM_TOKEN={self._token}", "-e", f"SWARM_SERVER={self._address}"),
        )
        runner = ("--runner", "command", "--builder-command", str(script), "--no-validation")
        return running("swarm-worker", f"swarm-test-{name}", "--name", name, *runner, *argv, flags=flags)


@pytest.fixture
def fleet(volume: str, folder: Path) -> Iterator[Fleet]:
    """A server in a container."""
    flags = (*READ_ONLY, *AS_USER, "-v", f"{volume}:/data:U")
    argv = ("--listen", "127.0.0.1:0", "--dashboard", "off", "--heartbeat-interval", "0.2")
    with running("swarmd", "swarm-test-swarmd", *argv, flags=flags) as server:
        yield Fleet(server, port_of(server.until_said("swarmd ready")), folder)


def test_two_workers_complete_a_plan_and_a_stop_lets_a_running_task_end(fleet: Fleet, state: str) -> None:
    plan = random_plan(12, seed=1)
    fleet.take(plan)
    with fleet.worker("w1", state) as one, fleet.worker("w2", state) as two:
        until(lambda: set(fleet.statuses().values()) == {"completed"}, "the plan is done", deadline_s=100)
        fleet.ledger.judge(plan)
        podman("stop", "-t", "30", two.name)
        assert (one.state()["Running"], two.exit_code()) == (True, 0)

    with fleet.worker("w1", state, hold=True) as one:
        fleet.take({**plan, "late": []})
        until(lambda: fleet.ledger.starts("late"), "the task runs")
        podman("kill", "-s", "TERM", one.name)
        one.until_said("draining: accepting no new tasks")
        fleet.go.touch()
        assert one.exit_code() == 0
        assert fleet.statuses()["late"] == "completed"


def test_the_plan_of_the_table_lands_once(fleet: Fleet, folder: Path, images: dict[str, str]) -> None:
    work = LandedPlan(folder)
    work.prepare()
    work.write(folder / "table.yaml")
    subprocess.run(["chown", "-R", f"{USER}:0", str(folder)], check=True)
    with contextlib.ExitStack() as started:
        states = [started.enter_context(new_volume()) for _ in range(WORKERS)]
        began = time.time()
        fleet.take_file(folder / "table.yaml")
        for number, state in enumerate(states):
            started.enter_context(fleet.worker(f"w{number}", state, *work.flags()))
        print(work.watch("containers", began))  # noqa: T201  # the figures of the run
        until(lambda: set(fleet.statuses().values()) == {"completed"}, "the plan is done")


def test_the_tasks_of_a_killed_worker_run_again_at_once_when_it_is_back(fleet: Fleet, state: str) -> None:
    fleet.take({"a": [], "b": []})
    with fleet.worker("w1", state, "--slots", "2", hold=True) as first:
        until(lambda: len(fleet.ledger.pids()) == 2, "both tasks run")
        podman("kill", "-s", "KILL", first.name)
        assert first.exit_code() == 137
        assert fleet.statuses() == {"a": "in_progress", "b": "in_progress"}, (
            "a silence of seconds proves nothing"
        )

    fleet.go.touch()
    with fleet.worker("w1", state, "--slots", "2"):
        until(lambda: set(fleet.statuses().values()) == {"completed"}, "both have run again")

    assert (fleet.ledger.starts("a"), fleet.ledger.starts("b")) == (2, 2)


def test_a_worker_that_is_the_first_process_reaps_what_strangers_leave(fleet: Fleet, state: str) -> None:
    with fleet.worker("w1", state) as worker:
        worker.until_said("swarm-worker ready")
        # The daemon's parent has ended, so the container's first process inherits it.
        worker.exec("sh", "-c", "setsid sh -c 'echo $$ > /state/stranger; exec sleep 0.2' & exit 0")
        until(
            lambda: worker.exec("test", "-s", "/state/stranger", check=False).returncode == 0,
            "it has started",
        )
        gone = "! test -e /proc/$(cat /state/stranger)"
        until(
            lambda: worker.exec("sh", "-c", gone, check=False).returncode == 0, "it is reaped, not a zombie"
        )
        assert worker.state()["Running"]
