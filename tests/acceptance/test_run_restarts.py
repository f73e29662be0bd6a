"""`swarmctl run` with a task that kills its worker: that task fails as such, and everything else is done."""

import json

import pytest

from support.ledger import Ledger
from support.plans import write_plan
from support.programs import Stage

pytestmark = pytest.mark.slow

NORMAL = [f"normal-{number}" for number in range(1, 7)]
# A session's parent is its guard, the guard's parent the fork server, and the fork server's parent the worker.
KILLS = (
    'if [ "$SWARM_TASK_ID" = killer ]; then kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $PPID)); sleep 600; fi'
)
LOSSES = 3


@pytest.mark.timeout(180)
def test_d18_a_task_that_kills_its_worker_fails_as_such_and_all_others_are_completed(swarm: Stage) -> None:
    ledger = Ledger(swarm.folder / "ledger")
    swarm.project.mkdir()
    write_plan(swarm.folder / "plan.yaml", dict.fromkeys(["killer", *NORMAL], ()), max_retries=0)

    run = swarm.start(
        *("run", "run", "plan.yaml", "--project-root", "project", "--workers", "2", "--runner", "command"),
        *("--no-validation", "--builder-command", str(ledger.script(middle=KILLS)), "--kill-grace", "0.2"),
        *("--containment", "subreaper", "-o", "json"),
        program="swarmctl",
    )

    assert run.process.wait(150) == 1, run.said()
    tasks = {task["id"]: task for task in json.loads(run.out.read_text())["tasks"]}
    assert {tasks[name]["status"] for name in NORMAL} == {"completed"}
    killer = tasks["killer"]
    assert (killer["status"], killer["failure_class"], killer["attempt"]) == ("failed", "worker_lost", LOSSES)
    assert ledger.starts("killer") == LOSSES
    assert [ledger.starts(name) for name in NORMAL] == [1] * len(NORMAL)
    notes = [line for line in run.said().splitlines() if "was ended by SIGKILL" in line]
    assert len(notes) == LOSSES
    assert all(" starting it again in " in note for note in notes)
    names = {path.name for path in swarm.worker_state.with_name("workers").iterdir() if path.is_dir()}
    assert names == {"worker-1", "worker-2"}, "no name grows"
