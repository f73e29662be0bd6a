"""The examples, run as a user runs them."""

import json
import subprocess

import pytest
import yaml

from support.git_repositories import git, log, show
from support.programs import ROOT, Stage

pytestmark = pytest.mark.slow
EXAMPLES = ROOT / "examples"


@pytest.mark.timeout(240)
def test_fifty_tasks_of_the_predecessor_are_imported_unchanged_and_run_to_the_end(swarm: Stage) -> None:
    source = EXAMPLES / "predecessor" / "tasks.yaml"
    tasks = yaml.safe_load(source.read_text())["tasks"]
    swarm.swarmd()
    swarm.ctl("import", str(source))
    before = swarm.statuses()

    workers = [swarm.worker(f"w{n}", "--exit-when-done", "--runner", "embedded") for n in range(2)]

    assert [worker.process.wait(200) for worker in workers] == [0, 0]
    assert len(tasks) == 50
    assert {task["status"] for task in tasks} > {"completed", "in_progress", "not_started"}
    assert [t["id"] for t in tasks if before[t["id"]] == "completed"] == [
        t["id"] for t in tasks if t["status"] == "completed"
    ]
    after = swarm.tasks()
    assert {task["status"] for task in after.values()} == {"completed"}
    for task in tasks:
        ran = task["status"] != "completed"
        assert after[task["id"]]["attempt"] == int(ran)
        assert bool(after[task["id"]]["builder_session_id"]) is ran
        assert all((swarm.project / file).exists() for file in task.get("files", []) if ran)


def test_the_command_runner_example_drives_a_shell_script(swarm: Stage) -> None:
    agent = str(EXAMPLES / "command-runner" / "agent.sh")
    swarm.project.mkdir()

    done = swarm.ctl(
        "run", str(EXAMPLES / "command-runner" / "tasks.yaml"), "--workers", "2", "--project-root", "project",
        "--runner", "command", "--builder-command", agent, "--validator-command", agent, "-o", "json", server=False,
    )  # fmt: skip

    assert {task["status"] for task in json.loads(done.stdout)["tasks"]} == {"completed"}
    assert (swarm.project / "REPORT.md").exists()


@pytest.mark.timeout(240)
def test_what_one_machine_makes_the_other_reads(swarm: Stage) -> None:
    played = subprocess.run(
        [str(EXAMPLES / "two-machines" / "play.sh"), "demo"], cwd=swarm.folder, env=swarm.environment(),
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip

    assert played.returncode == 0, played.stderr
    assert played.stdout.endswith("sum: 5050\n")
    repository = swarm.folder / "demo" / "server" / "project.git"
    landed = log(repository, "swarm/main", "%s|%(trailers:key=Swarm-Session,valueonly,separator=)")
    assert [line.partition("|")[0] for line in landed] == [
        "Sum them",
        "Write the numbers from 1 to 100",
        "An empty project",
    ]
    assert show(repository, "refs/swarm/sum/1", "data/SUM") == "5050"
    # The other task's clone is on the other machine only.
    mirrors = {
        machine: next((swarm.folder / "demo" / f"machine-{machine}").glob("state/**/mirrors/*.git"))
        for machine in "ab"
    }
    assert git(mirrors["b"], "for-each-ref", "--format=%(refname)", "refs/swarm") == "refs/swarm/sum/1"
    assert git(mirrors["a"], "for-each-ref", "--format=%(refname)", "refs/swarm") == "refs/swarm/numbers/1"
