"""A builder that leaves the same change and the same red check twice waits for a person, with real programs."""

import json

import pytest

from support.git_repositories import git
from support.programs import Stage
from support.waiting import until

pytestmark = pytest.mark.slow
BUILDS = """#!/bin/sh
prompt=$(cat)
echo run >> "$RUNS"
case $prompt in *"take the other way"*) touch good ;; esac
echo same > work.txt
echo '{"status": "completed"}'
"""
PLAN = """
tasks:
  - {id: a, name: A, description: x, max_retries: 8, validate: false, checks: [test -e good]}
"""


def test_a_task_without_progress_is_held_after_two_builders_and_an_answer_moves_it_on(swarm: Stage) -> None:
    swarm.project.mkdir()
    git(swarm.project, "init", "-q", "-b", "main")
    git(swarm.project, "commit", "-q", "--allow-empty", "-m", "start")
    builder, runs = swarm.folder / "b.sh", swarm.folder / "runs"
    builder.write_text(BUILDS.replace("$RUNS", str(runs)))
    builder.chmod(0o755)
    (swarm.folder / "plan.yaml").write_text(PLAN)
    swarm.swarmd("--retry-backoff", "0")
    swarm.ctl("import", "plan.yaml")
    swarm.worker("w1", "--runner", "command", "--builder-command", str(builder), "--no-validation")

    until(lambda: swarm.statuses()["a"] == "held", "it is held")

    assert len(runs.read_text().split()) == 2
    [entry] = json.loads(swarm.ctl("inbox", "-o", "json").stdout)["entries"]
    hold = entry["task"]["hold"]
    assert hold["kind"] == "no_progress"
    assert "attempts 1 and 2 left the same change and the same red checks: test -e good" in hold["text"]
    assert "it makes no progress" in swarm.ctl("explain", "a").stdout
    assert "swarmctl answer a TEXT" in swarm.ctl("inbox").stdout
    swarm.ctl("answer", "a", "take the other way")
    until(lambda: swarm.statuses()["a"] == "completed", "the answer moves it on")
