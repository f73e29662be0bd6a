"""Kill, emergency stop, pause and drain as an operator gives them, on real sessions."""

import json

import pytest

from support.ledger import Ledger
from support.plans import write_plan
from support.programs import Stage, alive
from support.waiting import until
from swarm_worker.containment import strongest

pytestmark = pytest.mark.slow
COMMAND = ("--runner", "command", "--no-validation", "--kill-grace", "0.5", "--builder-command")


def running(swarm: Stage, *tasks: str) -> Ledger:
    """A swarm in which a session of the first task runs and ignores SIGTERM, with a child of its own."""
    ledger = Ledger(swarm.folder / "ledger")
    script = ledger.script(middle="trap '' TERM; setsid sleep 600 & echo working\nsleep 600")
    write_plan(swarm.folder / "plan.yaml", {task: [] for task in tasks})
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    swarm.worker("w", *COMMAND, str(script)).ready()
    until(lambda: ledger.starts(tasks[0]) == 1, "the session began")
    return ledger


def test_kill_returns_when_the_processes_are_gone_and_shows_the_receipt(swarm: Stage) -> None:
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
    assert again.returncode == 0, "killing a killed task is no error"


def test_an_emergency_stop_ends_sessions_holds_over_a_restart_and_is_undone_by_resume(swarm: Stage) -> None:
    ledger = running(swarm, "a", "b")

    swarm.ctl("emergency-stop", "--cause", "fire")

    until(lambda: not any(map(alive, ledger.pids())), "no session is left")
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


def test_a_paused_swarm_begins_nothing_and_goes_on_after_resume(swarm: Stage) -> None:
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
