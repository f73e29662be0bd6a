"""Real sessions of amplifier-core in a sandbox: the demo's plan runs in bubblewrap and in containers."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from support.git_repositories import log, new_repository, show
from support.programs import ROOT, Stage
from support.sandbox_images import IMAGE, RUNTIME, missing
from swarm_worker.sandbox.abilities import probe_bubblewrap

KINDS = {
    "bwrap": (probe_bubblewrap(Path("/nowhere"), os.environ).fault, ("--sandbox", "bwrap")),
    "container": (
        missing(),
        ("--sandbox", "container", "--sandbox-image", IMAGE, "--sandbox-runtime", RUNTIME),
    ),
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def plan_with_a_look_around(stage: Stage) -> int:
    """Writes the demo's plan with one more task, whose session looks for what it must not see; returns the count."""
    document = yaml.safe_load((ROOT / "examples" / "quickstart" / "tasks.yaml").read_text())
    look = f"hostname > seen; ls -d {stage.folder}/token {stage.folder}/*.db {stage.state} >> seen 2>/dev/null; true"
    script = [{"calls": [{"bash": {"command": look}}]}, {"reply": "Looked around."}]
    document["tasks"].append({
        "id": "look", "name": "Look around", "files": ["seen"], "checks": ["test -s seen"],
        "rehearsal": {"builder": script},
    })  # fmt: skip
    (stage.folder / "plan.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return len(document["tasks"])


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(
            flags, id=kind, marks=pytest.mark.skipif(bool(fault), reason=f"no sandbox here: {fault}")
        )
        for kind, (fault, flags) in KINDS.items()
    ],
)
def test_the_plan_of_the_demo_runs_in_a_sandbox(swarm: Stage, flags: Sequence[str]) -> None:
    new_repository(swarm.project)
    count = plan_with_a_look_around(swarm)
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")

    worker = swarm.worker("w1", "--slots", "2", "--exit-when-done", "--runner", "embedded", *flags)

    assert worker.process.wait(380) == 0, worker.said()
    assert [task["status"] for task in swarm.tasks().values()] == ["completed"] * count
    assert len(log(swarm.project, "swarm/main")) == count + 1
    assert show(swarm.project, "swarm/main", "seen") == "sandbox"
    [announced] = json.loads(swarm.ctl("workers", "-o", "json").stdout)
    assert flags[1] in json.dumps(announced)
