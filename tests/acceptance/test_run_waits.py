"""`swarmctl run` whose workers may not take what is left says so, and still waits for a worker that may."""

import signal

import pytest

from support.plans import write_plan
from support.programs import Stage
from support.waiting import until

pytestmark = pytest.mark.slow


@pytest.mark.timeout(120)
def test_a_run_says_which_worker_is_missing_and_waits(swarm: Stage) -> None:
    swarm.project.mkdir()
    write_plan(swarm.folder / "plan.yaml", {"train": ()}, labels={"gpu": "1"})

    run = swarm.start(
        *("run", "run", "plan.yaml", "--project-root", "project", "--workers", "1", "--runner", "command"),
        *("--no-validation", "--builder-command", "true"),
        program="swarmctl",
    )

    said = "swarmctl: train waits: no connected worker has the labels gpu=1"
    until(lambda: said in run.said().splitlines(), "the run names the missing worker", deadline_s=60)
    assert run.process.poll() is None
    run.send(signal.SIGINT)
    assert run.process.wait(60) != 0
