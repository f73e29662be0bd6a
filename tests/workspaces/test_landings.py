"""Work of several workers that meets on the target, with real programs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.git_repositories import git, log, new_repository
from support.programs import Stage, stage
from workspaces.fleet import PACE
from workspaces.run import VICTIMS, crowd, draw, kills

pytestmark = pytest.mark.slow
CHECK = """\
[ "$(ls users | wc -l)" -lt 2 ] || [ -e MERGED ] || { echo "two users need the file MERGED"; exit 1; }
"""
# Both build at the same time, and MERGED is made only by a builder that has been told of it.
BUILD = """\
set -e
echo "$SWARM_ATTEMPT" >> {notes}/$SWARM_TASK_ID
mkdir -p users
echo user > users/$SWARM_TASK_ID
if grep -q "two users need the file MERGED" "$SWARM_PROMPT_FILE"; then touch MERGED; fi
while ! [ -e {notes}/red -a -e {notes}/green ]; do sleep 0.02; done
"""


@pytest.mark.timeout(300)
def test_of_two_tasks_that_are_red_together_one_lands_and_the_other_is_told_why(tmp_path: Path) -> None:
    with stage(tmp_path) as place:
        new_repository(place.project, {"check.sh": CHECK})
        (tmp_path / "notes").mkdir()
        (tmp_path / "build.sh").write_text(BUILD.format(notes=tmp_path / "notes"))
        tasks = [{"id": name, "name": name, "checks": ["sh check.sh"]} for name in ("red", "green")]
        (tmp_path / "plan.yaml").write_text(yaml.safe_dump({"tasks": tasks}))
        place.swarmd(*PACE)
        flags = ("--workspace", "clone", "--runner", "command", "--no-validation", "--exit-when-done")
        place.ctl("import", "plan.yaml")
        workers = [
            place.worker(name, *flags, "--builder-command", f"sh {tmp_path}/build.sh")
            for name in ("w1", "w2")
        ]

        assert [worker.process.wait(200) for worker in workers] == [0, 0]

        found = {name: _shown(place, name) for name in ("red", "green")}
        second, first = sorted(found.values(), key=lambda task: -int(task["attempt"]))
        assert (first["attempt"], second["attempt"]) == (1, 2), found
        refused = second["attempts"][0]
        assert refused["failure_class"] == "landing_failed"
        assert "on the combination with swarm/main" in refused["error"]
        assert "two users need the file MERGED" in json.dumps(refused)
        assert log(place.project, "swarm/main") == [second["id"], first["id"], "first"]
        _passes_at_each_commit(place.project, tmp_path / "history")


def _shown(place: Stage, task: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.ctl("show", task, "-o", "json").stdout)
    return found


def _passes_at_each_commit(project: Path, scratch: Path) -> None:
    git(project, "clone", "-q", str(project), str(scratch))
    for commit in git(project, "rev-list", "swarm/main").split("\n"):
        git(scratch, "checkout", "-q", "--detach", commit)
        git(scratch, "-c", "alias.check=!mkdir -p users && sh check.sh", "check")


@pytest.mark.timeout(400)
def test_tasks_that_land_at_once_have_their_own_commits_only_and_each_lands_once(tmp_path: Path) -> None:
    assert crowd(tmp_path, 4).startswith("4 tasks on 4 workers in one repository")


@pytest.mark.timeout(600)
def test_kills_of_worker_server_and_machine_lose_no_work_and_land_nothing_twice(tmp_path: Path) -> None:
    assert kills(tmp_path, seed=1, count=3).startswith("3 kills")


@pytest.mark.timeout(600)
def test_kills_lose_no_work_that_lands_by_an_order_and_land_it_once(tmp_path: Path) -> None:
    assert "landed by an order" in kills(tmp_path, seed=1, count=2, keeps=True)


def test_every_victim_dies_at_every_moment() -> None:
    drawn = list(draw(1, 12))

    assert len({(kill.victim, kill.moment) for kill in drawn}) == 12
    assert {kill.victim for kill in drawn} == set(VICTIMS)
    assert list(draw(1, 12)) == drawn
    assert list(draw(2, 12)) != drawn
