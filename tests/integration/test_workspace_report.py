"""The list of clones: states of real clones of a real worker, and what a removal spares."""

import json
import subprocess
from pathlib import Path

import pytest

from fakes.swarm_server import WORKER, FakeSwarm, WorkerProcess, claim, outcome_of
from support.git_repositories import new_repository, show


def listed(worker: WorkerProcess, flag: str = "--list-workspaces") -> dict[str, str]:
    """Returns the states by task, `removed` for a clone that is gone."""
    done = subprocess.run(
        [WORKER, flag, "--project-root", worker.project, "--state-dir", worker.state],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {str(line["task"]): "removed" if line["removed"] else line["state"] for line in lines}


@pytest.mark.slow
async def test_clones_are_listed_and_only_safe_ones_are_removed(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    script = tmp_path / "build"
    script.write_text(
        'echo "$SWARM_TASK_ID" > mine\ntest "$SWARM_TASK_ID" != busy || { echo up; sleep 600; }\n'
    )
    worker.start("--workspace", "clone", "--slots", "2", builder=f"/bin/sh {script}")
    rejected = await outcome_of(fake, worker, claim("rejected", checks=["false"]))
    await outcome_of(fake, worker, claim("landed"))
    fake.send(claims=[claim("busy")])
    await worker.until(lambda: any("busy" in name for name in fake.entries), what="it prints")

    assert listed(worker) == {"rejected": "kept", "busy": "leased"}
    assert listed(worker, "--remove-workspaces") == {"None": "removed", "busy": "leased"}
    assert listed(worker) == {"busy": "leased"}
    assert show(worker.project, rejected.change.ref, "mine") == "rejected"

    worker.end()
    assert listed(worker, "--remove-workspaces") == {"busy": "dirty"}


@pytest.mark.slow
def test_a_folder_without_clones_has_an_empty_list(tmp_path: Path) -> None:
    done = subprocess.run(
        [WORKER.with_name("swarmctl"), "workspaces", "--project-root", str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=60, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "no task has a clone here\n"), done.stderr
