"""Set-ups that fail, checks that can't start and validators that fail by themselves, with real programs and workers.

No task is billed for them, other workers take the tasks, and no builder works twice.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from support.git_repositories import new_repository
from support.programs import Program, Stage
from support.waiting import until

pytestmark = pytest.mark.slow
# `setup:` looks for a program that only some workers have.
PLAN = """
tasks:
  - {id: built, name: T, description: x, setup: [fetch-parts], max_retries: 0}
"""


def _script(file: Path, body: str) -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def _worker(swarm: Stage, name: str, *flags: str, path: Path | None = None) -> Program:
    """Starts a worker with its own state; `path` stands first on its PATH."""
    builder = _script(
        swarm.folder / "b.sh", f"cat > /dev/null\necho x >> '{swarm.folder}/runs'\ndate +%N > made\necho done"
    )
    argv = (
        "--server", swarm.address, "--name", name, "--project-root", str(swarm.project), "--runner", "command",
        "--builder-command", builder, "--state-dir", str(swarm.folder / f"state-{name}"), "--workspace", "clone",
        *flags,
    )  # fmt: skip
    env = {"PATH": f"{path}:{swarm.environment()['PATH']}"} if path else {}
    started = swarm.start(name, *argv, program="swarm-worker", env=env)
    started.ready()
    return started


def _pauses(swarm: Stage) -> list[Any]:
    found: list[Any] = json.loads(swarm.ctl("status", "-o", "json").stdout)["paused_runners"]
    return found


def _begin(swarm: Stage, plan: str) -> None:
    new_repository(swarm.project)
    (swarm.folder / "plan.yaml").write_text(plan)
    swarm.swarmd()
    swarm.ctl("import", "plan.yaml")


def test_a_setup_that_fails_pauses_its_worker_and_another_one_takes_the_task(swarm: Stage) -> None:
    _begin(swarm, PLAN)
    _worker(swarm, "bare", "--no-validation")

    [pause] = until(lambda: _pauses(swarm), "the pause")

    assert pause["worker"] == "bare"
    assert "the task's setup failed" in pause["cause"]
    assert "fetch-parts" in pause["cause"]
    assert swarm.tasks()["built"]["status"] == "not_started"
    explained = swarm.ctl("explain", "built").stdout
    assert "fetch-parts" in explained
    _script(swarm.folder / "bin" / "fetch-parts", "exit 0")
    _worker(swarm, "whole", "--no-validation", path=swarm.folder / "bin")
    swarm.until_status("built", "completed")
    assert len(_pauses(swarm)) == 1, "the other worker is still paused"


def test_what_fails_by_itself_after_the_builder_never_pays_the_builder_again(swarm: Stage) -> None:
    """A check whose program is missing and a validator that crashes end their task as what they are."""
    _begin(
        swarm,
        """
defaults: {max_retries: 3}
tasks:
  - {id: checked, name: T, description: x, checks: ["no-such-linter ."], priority: high}
  - {id: judged, name: T, description: x}
  - {id: later, name: T, description: x, priority: low}
""",
    )
    validator = _script(
        swarm.folder / "v.sh", f"cat > /dev/null\necho v >> '{swarm.folder}/verdicts'\nkill -SEGV $$"
    )
    _worker(swarm, "w1", "--validator-command", validator)

    [pause] = until(lambda: _pauses(swarm), "the pause")

    tasks = swarm.tasks()
    assert (tasks["checked"]["status"], tasks["checked"]["failure_class"]) == ("failed", "bad_check")
    assert "check 1 of 1 can't start: `no-such-linter .`" in tasks["checked"]["last_error"]
    assert (tasks["judged"]["status"], tasks["judged"]["failure_class"]) == ("failed", "validator_failed")
    assert (pause["worker"], pause["role"]) == ("w1", "validator")
    assert "SIGSEGV" in pause["cause"]
    assert tasks["later"]["status"] == "not_started", "no builder works for a validator that is broken"
    assert (swarm.folder / "runs").read_text().split() == ["x"] * 2, "one builder each"
    assert (swarm.folder / "verdicts").read_text().split() == ["v"] * 3, "the validator was run again alone"
