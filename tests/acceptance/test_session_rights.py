"""`swarmctl run` with its defaults: a session finds no operator's token, and can't approve its own work."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from amplifier_swarm.state_paths import project_state
from support.programs import Stage

pytestmark = pytest.mark.slow

# As a session would help itself: with swarmctl where it stands, then with whatever token lies about.
HELPS_ITSELF = """\
cd "$SWARM_PROJECT_ROOT"
for order in status "token create --role operator" "kill a" "import --clear ../plan.yaml" "accept a --attempt 1"
do
    swarmctl $order >> ../orders.out 2>> ../orders.err && echo "$order" >> ../orders.done
done
folder=$PWD
while [ "$folder" != / ]; do
    [ -e "$folder/.swarm/token" ] && echo "$folder" >> ../tokens
    folder=$(dirname "$folder")
done
env | grep -cE 'swt1_(viewer|worker|operator)' > ../variables
echo '{"status": "completed"}'
"""


@pytest.mark.timeout(120)
def test_a_session_can_not_approve_its_own_work(swarm: Stage) -> None:
    swarm.project.mkdir()
    script = swarm.folder / "session.sh"
    script.write_text(f"#!/bin/sh\n{HELPS_ITSELF}")
    script.chmod(0o755)
    task = {
        "id": "a",
        "name": "a",
        "max_retries": 0,
        "checks": ["false"],
        "acceptance_criteria": ["never true"],
    }
    (swarm.folder / "plan.yaml").write_text(json.dumps({"tasks": [task]}))

    run = swarm.start(
        *("run", "run", "plan.yaml", "--project-root", "project", "--workers", "1", "-o", "json"),
        *("--runner", "command", "--builder-command", str(script), "--validator-command", "/bin/false"),
        program="swarmctl",
        # Sessions know the home folder, and so the place of the token.
        env={"HOME": str(swarm.folder / "home"), "XDG_STATE_HOME": ""},
    )

    assert run.process.wait(90) == 1, run.said()
    [ended] = json.loads(run.out.read_text())["tasks"]
    assert ended["status"] == "failed"
    assert not (swarm.folder / "orders.done").exists()
    refusals = (swarm.folder / "orders.err").read_text().splitlines()
    assert len(refusals) == 5
    assert all("may not use the operator's token of its project" in line for line in refusals)
    assert not (swarm.folder / "tokens").exists()
    assert (swarm.folder / "variables").read_text() == "0\n"


@pytest.mark.timeout(120)
def test_the_project_holds_no_file_that_gives_access(swarm: Stage) -> None:
    swarm.project.mkdir()
    subprocess.run(["git", "init", "-q", str(swarm.project)], check=True)
    script = swarm.folder / "session.sh"
    script.write_text(
        f"#!/bin/sh\ncat /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n' > {swarm.folder}/argv\n"
        "git add -A; git -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m 1\n"
        'echo \'{"status": "completed"}\'\n'
    )
    script.chmod(0o755)
    (swarm.folder / "plan.yaml").write_text(json.dumps({"tasks": [{"id": "a", "name": "a"}]}))

    run = swarm.start(
        *("run", "run", "plan.yaml", "--project-root", "project", "--workers", "1"),
        *("--runner", "command", "--no-validation", "--builder-command", str(script)),
        program="swarmctl",
    )

    assert run.process.wait(90) == 0, run.said()
    state = project_state(swarm.project, swarm.environment()).folder
    operator, worker = ((state / name).read_text().strip() for name in ("token", "worker-token"))
    assert operator.startswith("swt1_operator_")
    assert worker.startswith("swt1_worker_")
    files = [path for path in swarm.project.rglob("*") if path.is_file()]
    assert [path for path in files if b"swt1_" in path.read_bytes()] == []
    assert {path.name for path in (swarm.project / ".swarm").iterdir()} == {".gitignore"}
    assert _git(swarm.project, "ls-files") == ""
    words = (swarm.folder / "argv").read_text().splitlines()
    assert str(state / "worker-token") in words
    assert [word for word in words if operator in word or worker in word] == []
    assert all(
        (path.stat().st_mode & 0o077) == 0 for path in (state, state / "token", state / "worker-token")
    )


def _git(project: Path, *argv: str) -> str:
    return subprocess.run(
        ["git", "-C", str(project), *argv], capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout
