"""`swarmctl run` whose workers may not take what is left says so and ends; commands find it during and after."""

import json

import pytest

from support.plans import write_plan
from support.programs import Stage
from support.waiting import until

pytestmark = pytest.mark.slow


@pytest.mark.timeout(180)
def test_a_run_says_which_worker_is_missing_and_ends_and_is_read_afterwards(swarm: Stage) -> None:
    swarm.project.mkdir()
    write_plan(swarm.folder / "plan.yaml", {"train": ()}, labels={"gpu": "1"})

    run = swarm.start(
        *("run", "run", "plan.yaml", "--project-root", "project", "--workers", "1", "--runner", "command"),
        *("--no-validation", "--builder-command", "true", "--db", "elsewhere/swarm.db"),
        program="swarmctl",
    )

    missing = "train waits: no connected worker has the labels gpu=1"
    until(lambda: f"swarmctl: {missing}" in run.said().splitlines(), "it names the worker", deadline_s=60)
    during = swarm.ctl("list", "-o", "json", server=False)
    assert [task["id"] for task in json.loads(during.stdout)] == ["train"]
    assert "no server runs here" not in during.stderr

    assert run.process.wait(60) == 1
    assert f"swarmctl: ended, for no worker of this run may take what is left: {missing}" in run.said()

    after = swarm.ctl("list", "-o", "json", server=False)
    assert json.loads(after.stdout) == json.loads(during.stdout)
    assert after.stderr == (
        f"swarmctl: no server runs here; reading {swarm.folder.resolve()}/elsewhere/swarm.db\n"
    )
    order = swarm.ctl("hold", "train", server=False, check=False)
    assert order.returncode == 5
    assert "the server of this folder has ended; `swarmd --db " in order.stderr
    assert not (swarm.project / ".swarm" / "address").exists()
