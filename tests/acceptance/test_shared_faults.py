"""A fault that all tasks meet, with real programs: it pauses the runner, costs no task anything, and is probed."""

import json
from typing import Any

import pytest

from support.programs import Stage
from support.waiting import until

pytestmark = pytest.mark.slow
PLAN = "defaults: {max_retries: 0}\ntasks:\n" + "".join(
    f"  - {{id: t{number}, name: T, description: x}}\n" for number in range(1, 9)
)
BROKEN = (
    'echo "$SWARM_TASK_ID" >> ../runs\necho "error: unknown option --x in /run/$SWARM_TASK_ID" >&2\nexit 1'
)
WORKS = 'echo "$SWARM_TASK_ID" >> ../runs\necho done'


def _script(swarm: Stage, body: str) -> str:
    file = swarm.folder / "b.sh"
    fresh = swarm.folder / "b.new"
    fresh.write_text(f"#!/bin/sh\ncat > /dev/null\n{body}\n")
    fresh.chmod(0o755)
    fresh.rename(file)
    return str(file)


def _pauses(swarm: Stage) -> list[Any]:
    found: list[Any] = json.loads(swarm.ctl("status", "-o", "json").stdout)["paused_runners"]
    return found


def _runs(swarm: Stage) -> list[str]:
    return (swarm.folder / "runs").read_text().split()


def _start(swarm: Stage, *flags: str) -> None:
    swarm.project.mkdir(exist_ok=True)
    (swarm.folder / "plan.yaml").write_text(PLAN)
    swarm.swarmd(*flags)
    swarm.ctl("import", "plan.yaml")
    builder = _script(swarm, BROKEN)
    swarm.worker("w1", "--runner", "command", "--builder-command", builder, "--no-validation")


def test_three_tasks_with_one_fault_pause_the_runner_and_no_task_fails(swarm: Stage) -> None:
    _start(swarm)

    [pause] = until(lambda: _pauses(swarm), "the pause")

    assert sorted(pause["task_ids"]) == sorted(_runs(swarm)), "three builders ran, and no more"
    assert len(pause["task_ids"]) == 3
    assert pause["fingerprint"] == "the builder's command exited with … error: unknown option --x in …"
    assert set(swarm.statuses().values()) == {"not_started"}
    assert "3 tasks in a row ended alike" in swarm.ctl("explain", "t7").stdout
    assert "`swarmctl resume` lets one task through" in swarm.ctl("status").stdout
    _script(swarm, WORKS)
    swarm.ctl("resume")
    until(lambda: set(swarm.statuses().values()) == {"completed"}, "all tasks are completed")
    assert _pauses(swarm) == []


def test_a_cool_down_tries_one_task_and_pauses_again_on_the_same_fault(swarm: Stage) -> None:
    _start(swarm, "--runner-cooldown", "0.5")

    [pause] = until(
        lambda: [found for found in _pauses(swarm) if found["failed_probes"] >= 2], "two failed probes"
    )

    assert len(_runs(swarm)) <= 3 + pause["failed_probes"] + 1
    assert "failed" not in swarm.statuses().values()
    _script(swarm, WORKS)
    until(lambda: set(swarm.statuses().values()) == {"completed"}, "it goes on by itself")


def test_a_run_whose_runner_never_worked_ends_with_the_reason_and_goes_on_when_that_is_mended(
    swarm: Stage,
) -> None:
    swarm.project.mkdir()
    (swarm.folder / "plan.yaml").write_text(PLAN)
    builder = _script(swarm, BROKEN)
    run = (
        "run", "plan.yaml", "--project-root", "project", "--runner", "command", "--builder-command", builder,
        "--no-validation", "--workers", "1", "--dashboard", "off",
    )  # fmt: skip

    ended = swarm.ctl(*run, server=False, check=False)

    assert ended.returncode == 1
    assert len(_runs(swarm)) == 3
    assert "no runner may start sessions: command" in ended.stderr
    assert "the same `run` then goes on" in ended.stderr
    _script(swarm, WORKS)
    assert "8 tasks: 8 completed" in swarm.ctl(*run, server=False).stdout
