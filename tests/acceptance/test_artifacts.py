"""Artifacts by the three programs: a worker uploads them, the server keeps them over a SIGKILL, swarmctl gets them."""

import json
import sqlite3
from pathlib import Path

import pytest

from support.git_repositories import new_repository
from support.programs import Stage, stage
from support.waiting import until

pytestmark = pytest.mark.slow
PLAN = """
tasks:
  - id: report
    name: Report
    type: t
    description: d
    validate: false
    max_retries: 0
    workspace: {workspace}
    checks: ["printf '<coverage/>' > coverage.xml", "{check}"]
    artifacts: ["coverage.xml", "shots/*.png", "secret", "none.txt"]
"""
BUILD = """
mkdir -p shots
printf 'one' > shots/1.png
printf 'two' > "shots/$(printf 'a\\nb\\377').png"
ln -s /etc/hostname secret
ln -s /etc/hostname shots/link.png
mkfifo shots/fifo.png
echo ignored > kept
"""


def import_plan(found: Stage, *, workspace: str = "shared", check: str = "true") -> None:
    plan = found.folder / "plan.yaml"
    plan.write_text(PLAN.format(workspace=workspace, check=check))
    found.ctl("import", str(plan))


def start_worker(found: Stage, build: str = BUILD) -> None:
    new_repository(found.project)
    script = found.folder / "build.sh"
    script.write_text(build)
    command = ("--runner", "command", "--builder-command", f"/bin/sh {script}", "--no-validation")
    found.worker("w1", *command, "--workspace", "clone")


def run_task(found: Stage, workspace: str, *, check: str = "true") -> None:
    """Runs the task of the plan to its end."""
    found.swarmd()
    import_plan(found, workspace=workspace, check=check)
    start_worker(found)
    found.until_status("report", "completed", "failed")


def names(found: Stage) -> dict[str, dict[str, object]]:
    listed = json.loads(found.ctl("artifacts", "report", "-o", "json").stdout)
    return {artifact["name"]: artifact for artifact in listed["artifacts"]}


@pytest.mark.parametrize("workspace", ["shared", "clone"])
def test_the_files_of_a_task_can_be_listed_and_downloaded(tmp_path: Path, workspace: str) -> None:
    with stage(tmp_path) as found:
        run_task(found, workspace)

        stored = names(found)
        assert set(stored) == {"coverage.xml", "shots/1.png", "shots/a\nb\\xff.png"}
        assert stored["shots/1.png"]["size"] == 3
        assert found.ctl("get", "report", "coverage.xml", "-").stdout == "<coverage/>"
        found.ctl("get", "report", "shots/1.png")
        assert (tmp_path / "1.png").read_text() == "one"
        again = found.ctl("get", "report", "shots/1.png", check=False)
        assert again.returncode == 2
        assert "1.png exists" in again.stderr
        missing = found.ctl("get", "report", "nothing", check=False)
        assert "'nothing' is none of its artifacts" in missing.stderr
        assert "a\\x0ab" in found.ctl("artifacts", "report").stdout
        log = found.ctl("logs", "report").stdout
        assert "no file matches none.txt" in log
        assert "no file matches secret" in log


def test_a_failed_attempt_leaves_its_files_too(tmp_path: Path) -> None:
    with stage(tmp_path) as found:
        run_task(found, "clone", check="exit 3")

        assert found.statuses()["report"] == "failed"
        assert "coverage.xml" in names(found)


def test_an_upload_that_is_refused_costs_a_line_of_the_log(tmp_path: Path) -> None:
    with stage(tmp_path) as found:
        found.swarmd("--artifact-file-limit", "1")
        import_plan(found)
        start_worker(found, f"{BUILD}\ntruncate -s 2M shots/big.png")
        found.until_status("report", "completed")

        assert "shots/big.png" not in names(found)
        assert "coverage.xml" in names(found)
        assert "artifact shots/big.png is not stored" in found.ctl("logs", "report").stdout


@pytest.mark.parametrize("place", ["artifact.before", "artifact.after", "PutArtifact.reply"])
def test_a_server_that_is_killed_in_an_upload_has_it_whole_or_not_at_all(tmp_path: Path, place: str) -> None:
    with stage(tmp_path) as found:
        found.swarmd().end()
        env = {"SWARM_TESTING": "1", "SWARM_FAILPOINT": f"{place}:1:kill"}
        server = found.start("swarmd", "--listen", found.address, program="swarmd", env=env)
        server.ready()
        import_plan(found)
        start_worker(found)
        until(lambda: server.process.poll() is not None, "it dies in the upload")
        folder = found.state / "swarm.db.artifacts"
        if place != "PutArtifact.reply":
            with sqlite3.connect(found.state / "swarm.db") as db:
                assert db.execute("SELECT count(*) FROM artifacts").fetchone() == (0,)

        found.swarmd()
        found.until_status("report", "completed")

        stored = names(found)
        assert {"coverage.xml", "shots/1.png"} <= set(stored)
        assert not any(artifact["lost"] for artifact in stored.values())
        assert not list((folder / "drafts").glob("*"))
        assert found.ctl("get", "report", "coverage.xml", "-").stdout == "<coverage/>"
