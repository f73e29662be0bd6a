"""Random plans on real processes: each task runs once and in order, even if workers or the server are killed."""

import signal
from pathlib import Path

import pytest

from support.ledger import Ledger
from support.plans import random_plan, write_plan
from support.programs import QUICK, Stage, alive
from support.waiting import until

pytestmark = pytest.mark.slow
COMMAND = ("--runner", "command", "--no-validation", "--builder-command")


@pytest.mark.parametrize("seed", [1, 2])
def test_every_task_of_a_random_plan_runs_once_and_after_its_dependencies(swarm: Stage, seed: int) -> None:
    plan, ledger = random_plan(60, seed), Ledger(swarm.folder / "ledger")
    write_plan(swarm.folder / "plan.yaml", plan)
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")

    workers = [
        swarm.worker(f"w{n}", "--slots", "2", "--exit-when-done", *COMMAND, str(ledger.script()))
        for n in range(4)
    ]

    assert [worker.process.wait(90) for worker in workers] == [0] * 4
    assert set(swarm.statuses().values()) == {"completed"}
    ledger.judge(plan)


def test_sessions_of_a_killed_worker_are_gone_and_its_task_runs_once_more_elsewhere(swarm: Stage) -> None:
    ledger = Ledger(swarm.folder / "ledger")
    hold = swarm.folder / "hold"
    hold.touch()
    # A child of its own session, so that no process group covers the whole tree.
    child_file = f"{swarm.folder}/child-$SWARM_ATTEMPT"
    middle = f"setsid sleep 600 & echo $! > {child_file}\nwhile [ -e {hold} ]; do sleep 0.05; done"
    command = (*COMMAND, str(ledger.script(middle=middle)))
    write_plan(swarm.folder / "plan.yaml", {"a": []})
    swarm.swarmd(*QUICK)
    swarm.ctl("import", "plan.yaml")
    first = swarm.worker("first", *command)
    until(lambda: ledger.starts("a") == 1, "the session began")
    child = until(lambda: _pid(swarm.folder / "child-1"), "its child began")
    second = swarm.worker("second", *command)
    second.ready()

    first.kill()

    until(lambda: not any(map(alive, [*ledger.pids()[:1], child])), "no process of the session is left")
    until(lambda: ledger.starts("a") == 2, "the task runs elsewhere")
    hold.unlink()
    swarm.until_status("a", "completed")
    shown = swarm.tasks()["a"]
    assert (shown["attempt"], shown["worker"], ledger.starts("a")) == (2, "second", 2)


def test_a_worker_started_again_gives_the_lost_task_back_at_once(swarm: Stage) -> None:
    ledger = Ledger(swarm.folder / "ledger")
    hold = swarm.folder / "hold"
    hold.touch()
    command = (*COMMAND, str(ledger.script(middle=f"while [ -e {hold} ]; do sleep 0.05; done")))
    write_plan(swarm.folder / "plan.yaml", {"a": []})
    swarm.swarmd("--retry-backoff", "0.1")  # silence would take half an hour
    swarm.ctl("import", "plan.yaml")
    first = swarm.worker("w", *command)
    until(lambda: ledger.starts("a") == 1, "the session began")

    first.kill()
    swarm.worker("w", *command).ready()

    until(lambda: ledger.starts("a") == 2, "the task runs again")
    assert not alive(ledger.pids()[0])
    hold.unlink()
    swarm.until_status("a", "completed")


def test_a_killed_server_loses_nothing_and_runs_nothing_twice(swarm: Stage) -> None:
    plan, ledger = random_plan(30, 7), Ledger(swarm.folder / "ledger")
    write_plan(swarm.folder / "plan.yaml", plan)
    server = swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    command = (*COMMAND, str(ledger.script(middle="sleep 0.15")))
    workers = [swarm.worker(f"w{n}", "--slots", "2", "--exit-when-done", *command) for n in range(2)]

    for count in (3, 10, 20):
        until(lambda count=count: len(ledger.pids()) >= count, f"{count} sessions began")  # type: ignore[misc]
        server.kill()
        server = swarm.swarmd()

    assert [worker.process.wait(90) for worker in workers] == [0, 0]
    tasks = swarm.tasks()
    assert {task["status"] for task in tasks.values()} == {"completed"}
    ledger.judge(plan)


def test_a_result_that_came_while_the_server_was_down_is_delivered_by_the_next_life_of_the_worker(
    swarm: Stage,
) -> None:
    ledger, hold = Ledger(swarm.folder / "ledger"), swarm.folder / "hold"
    hold.touch()
    command = (*COMMAND, str(ledger.script(middle=f"while [ -e {hold} ]; do sleep 0.05; done")))
    write_plan(swarm.folder / "plan.yaml", {"a": []})
    server = swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    worker = swarm.worker("w", *command)
    until(lambda: ledger.starts("a") == 1, "the session began")
    server.kill()
    hold.unlink()
    outbox = swarm.worker_state / "w" / "outbox"
    until(lambda: list(outbox.glob("*")), "the outcome is in the outbox")

    worker.kill()
    swarm.swarmd()
    swarm.worker("w", *command).ready()

    swarm.until_status("a", "completed")
    assert ledger.starts("a") == 1


def test_a_drained_worker_finishes_what_it_runs_and_exits(swarm: Stage) -> None:
    ledger, hold = Ledger(swarm.folder / "ledger"), swarm.folder / "hold"
    hold.touch()
    command = (*COMMAND, str(ledger.script(middle=f"while [ -e {hold} ]; do sleep 0.05; done")))
    write_plan(swarm.folder / "plan.yaml", {"a": [], "b": []})
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    worker = swarm.worker("w", *command)
    until(lambda: ledger.starts("a") == 1, "the session began")

    worker.send(signal.SIGTERM)
    until(lambda: "draining" in swarm.ctl("workers").stdout, "the server knows that it drains")
    hold.unlink()

    assert worker.process.wait(30) == 0
    assert swarm.statuses() == {"a": "completed", "b": "not_started"}
    assert (ledger.starts("a"), ledger.starts("b")) == (1, 0)


def _pid(path: Path) -> int:
    return int(path.read_text().strip() or 0) if path.exists() else 0
