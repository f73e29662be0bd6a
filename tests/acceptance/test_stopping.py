"""Kill, emergency stop, pause and drain by an operator, with real sessions."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from amplifier_swarm.channel import Endpoint, dial_blocking
from amplifier_swarm.v1.worker_service_pb2 import ClaimTaskRequest
from amplifier_swarm.v1.worker_service_pb2_grpc import WorkerServiceStub
from support.ledger import Ledger
from support.plans import write_plan
from support.programs import Stage, alive
from support.waiting import until
from swarm_worker.guard.containment import strongest

pytestmark = pytest.mark.slow
COMMAND = ("--runner", "command", "--no-validation", "--kill-grace", "0.5", "--builder-command")


def running(swarm: Stage, *tasks: str) -> Ledger:
    """Starts a swarm whose first task has a session that ignores SIGTERM and has a child process."""
    ledger = Ledger(swarm.folder / "ledger")
    script = ledger.script(middle="trap '' TERM; setsid sleep 600 & echo working\nsleep 600")
    write_plan(swarm.folder / "plan.yaml", {task: [] for task in tasks})
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    swarm.worker("w", *COMMAND, str(script)).ready()
    until(lambda: ledger.starts(tasks[0]) == 1, "the session began")
    return ledger


def test_d8_kill_returns_when_the_processes_are_gone_and_shows_the_receipt(swarm: Stage) -> None:
    ledger = running(swarm, "a")

    killed = swarm.ctl("kill", "a", "--cause", "too dear", "-o", "json")

    assert not any(map(alive, ledger.pids()))
    [task] = json.loads(killed.stdout)
    assert (task["id"], task["status"], task["cause"]) == ("a", "killed", "too dear")
    attempt = json.loads(swarm.ctl("show", "a", "-o", "json").stdout)["attempts"][0]
    receipt = attempt["kill_receipt"]
    assert receipt["containment"] == strongest().level
    assert receipt["processes_found"] >= 3
    assert receipt["killed"] >= 1, "the one that ignores SIGTERM"
    assert receipt["survivors"] == 0
    assert receipt["last_output"] == "working\n"
    again = swarm.ctl("kill", "a")
    assert again.returncode == 0, "a kill of a killed task is not an error"


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """Starts a process that does not belong to the swarm."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def register_former_worker(swarm: Stage, pid: int) -> None:
    """Registers a worker with this process id and disconnects it."""
    swarm.ctl("pause")  # otherwise it would get a task
    token = (swarm.state / "token").read_text().strip()
    with dial_blocking(Endpoint(swarm.address, token)) as channel:
        request = ClaimTaskRequest(
            worker="old", incarnation="1", instance="1", slots=1, runner="none", pid=pid
        )
        stream = WorkerServiceStub(channel).ClaimTask(request)
        next(stream)
        stream.cancel()
    swarm.ctl("resume")
    known = json.loads(swarm.ctl("workers", "-o", "json").stdout)
    assert pid in [worker["pid"] for worker in known]


def test_d11_an_emergency_stop_ends_sessions_by_their_workers_and_holds_over_a_restart_until_resume(
    swarm: Stage, stranger: "subprocess.Popen[bytes]"
) -> None:
    ledger = running(swarm, "a", "b")
    register_former_worker(swarm, stranger.pid)

    swarm.ctl("emergency-stop", "--cause", "fire")

    until(lambda: not any(map(alive, ledger.pids())), "no session is left, nor what it had started")
    assert stranger.poll() is None, "a process id that a worker once had proves nothing"
    swarm.until_status("a", "killed")
    server = swarm.programs[0]
    assert server.end() == 0
    swarm.swarmd()
    assert swarm.statuses() == {"a": "killed", "b": "not_started"}
    assert "emergency stop" in swarm.ctl("explain", "b").stdout
    assert ledger.starts("b") == 0
    swarm.ctl("resume", "--requeue")
    until(lambda: ledger.starts("a") == 2, "exactly what the stop ended is put back")
    swarm.ctl("kill", "a", "b")


def test_a_paused_swarm_starts_nothing_and_goes_on_after_resume(swarm: Stage) -> None:
    ledger = Ledger(swarm.folder / "ledger")
    write_plan(swarm.folder / "plan.yaml", {"a": []})
    swarm.swarmd()
    swarm.ctl("pause")
    swarm.ctl("import", "plan.yaml")
    worker = swarm.worker("w", "--exit-when-done", *COMMAND, str(ledger.script()))
    worker.ready()

    assert "paused" in swarm.ctl("explain", "a").stdout
    assert ledger.starts("a") == 0
    swarm.ctl("resume")

    assert worker.process.wait(30) == 0
    assert swarm.statuses() == {"a": "completed"}


def test_a_drain_with_a_deadline_ends_what_still_runs_and_the_worker_leaves(swarm: Stage) -> None:
    ledger = running(swarm, "a")
    worker = swarm.programs[1]

    swarm.ctl("drain", "w", "--deadline", "1")

    assert worker.process.wait(30) == 0
    assert not any(map(alive, ledger.pids()))
    assert swarm.tasks()["a"]["status"] == "killed"
    assert swarm.tasks()["a"]["cause"] == "its worker was drained"


def test_a_server_shuts_down_at_once_on_sigterm_and_sessions_go_on(swarm: Stage) -> None:
    ledger = Ledger(swarm.folder / "ledger")
    script = ledger.script(middle="while [ ! -e go ]; do sleep 0.05; done")
    write_plan(swarm.folder / "plan.yaml", {"a": [], "b": ["a"]})
    server = swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    swarm.worker("w", *COMMAND, str(script)).ready()
    until(lambda: ledger.starts("a") == 1, "the session began")
    events = swarm.start("events", "--server", swarm.address, "events", "--follow", program="swarmctl")
    until(lambda: "session started" in events.out.read_text(), "somebody follows the events")

    assert server.end() == 0
    (swarm.project / "go").touch()
    outbox = swarm.worker_state / "w" / "outbox"
    until(lambda: list(outbox.glob("*")), "the session has ended meanwhile, and its outcome waits")
    assert ledger.starts("b") == 0
    swarm.swarmd()

    swarm.until_status("b", "completed")
    assert (ledger.starts("a"), ledger.starts("b")) == (1, 1)
    until(lambda: events.out.read_text().count("task completed") == 2, "who followed has missed nothing")
