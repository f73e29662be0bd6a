"""Faults of the set-up and limits of a provider, with real programs: no task fails or completes because of them."""

import json
from pathlib import Path

import pytest

from support.programs import Stage
from support.waiting import until

pytestmark = pytest.mark.slow
PLAN = "defaults: {max_retries: 0}\ntasks:\n" + "".join(
    f"  - {{id: t{number}, name: T, description: x}}\n" for number in range(1, 5)
)


def _script(folder: Path, name: str, body: str) -> str:
    file = folder / name
    file.write_text(f"#!/bin/sh\ncat > /dev/null\n{body}\n")
    file.chmod(0o755)
    return str(file)


def _start(swarm: Stage, builder: str) -> None:
    swarm.project.mkdir(exist_ok=True)
    (swarm.folder / "plan.yaml").write_text(PLAN)
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")
    swarm.worker("w1", "--runner", "command", "--builder-command", builder, "--no-validation")


def test_a_program_that_vanishes_pauses_its_runner_and_a_resume_goes_on(swarm: Stage) -> None:
    builder = _script(swarm.folder, "b.sh", f"rm '{swarm.folder / 'b.sh'}'\necho done")
    _start(swarm, builder)

    until(lambda: json.loads(swarm.ctl("status", "-o", "json").stdout)["paused_runners"], "the pause")

    assert sorted(swarm.statuses().values()) == ["completed", "not_started", "not_started", "not_started"]
    _script(swarm.folder, "b.sh", "echo done")
    swarm.ctl("resume")
    until(lambda: set(swarm.statuses().values()) == {"completed"}, "all tasks are completed")


def test_a_usage_limit_with_exit_code_0_completes_nothing_and_holds_the_worker(swarm: Stage) -> None:
    limit = "You've hit your limit · resets 3am (America/Mexico_City)"
    _start(swarm, _script(swarm.folder, "b.sh", f'echo x >> ../runs\necho "{limit}"'))

    until(lambda: limit in str(swarm.tasks()["t1"]["last_error"]), "the limit is shown")

    assert set(swarm.statuses().values()) == {"not_started"}
    assert "wait for their provider" in swarm.ctl("explain", "t2").stdout
    assert (swarm.folder / "runs").read_text() == "x\n"
