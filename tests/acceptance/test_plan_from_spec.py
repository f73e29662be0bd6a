"""`plan --from-spec`: a session writes a task file, gets its faults back, and nothing is imported."""

from pathlib import Path

import pytest

from support.forked_swarmctl import run_swarmctl
from support.programs import Stage

pytestmark = pytest.mark.slow
PLAN = ("plan", "--from-spec", "SPEC.md", "--out", "tasks.yaml")
# The first draft has a cycle, the second an unknown dependency, the third neither.
AGENT = """#!/bin/sh
set -eu
grep -q 'half an hour' "$SWARM_PROMPT_FILE"
cat SPEC.md >> ../../seen
case $SWARM_ATTEMPT in
1) wants='["2"]' ;;
2) wants='["nowhere"]'; grep -q 'dependency cycle' "$SWARM_PROMPT_FILE" ;;
*) wants='[]'; grep -q 'nowhere' "$SWARM_PROMPT_FILE" ;;
esac
cat > tasks.yaml <<YAML
tasks:
  - id: "1"
    name: First, try $SWARM_ATTEMPT
    estimated_hours: 1
    dependencies: $wants
  - id: "2"
    name: Second
    estimated_hours: 1
    dependencies: ["1"]
YAML
echo '{"status": "completed", "files_created": ["tasks.yaml"]}'
"""


def test_faults_go_back_to_the_session_and_the_good_file_is_shown_and_not_imported(swarm: Stage) -> None:
    folder = Path(swarm.folder)
    (folder / "SPEC.md").write_text("Two things in a row.\n")
    agent = folder / "agent.sh"
    agent.write_text(AGENT.replace("../../seen", str(folder / "seen")))
    agent.chmod(0o755)

    environment = swarm.environment() | {"SWARM_WORKER_BUILDER_COMMAND": str(agent)}
    done = run_swarmctl((*PLAN, "--runner", "command"), folder=folder, environment=environment, within_s=110)

    assert done.returncode == 0, done.stderr
    assert "name: First, try 3" in (folder / "tasks.yaml").read_text()
    assert (folder / "seen").read_text() == "Two things in a row.\n" * 3
    assert "2 tasks" in done.stdout
    assert (
        "wrote tasks.yaml with 2 tasks; nothing is imported. Read it, then: swarmctl import tasks.yaml"
        in done.stderr
    )
    assert swarm.ctl("status", server=False, check=False).returncode != 0
    again = swarm.ctl(*PLAN, server=False, check=False)
    assert (again.returncode, again.stderr.splitlines()[-1]) == (
        7,
        "swarmctl: tasks.yaml exists; name another file, or remove it",
    )


def test_a_session_that_writes_no_task_file_ends_in_its_last_fault(swarm: Stage) -> None:
    folder = Path(swarm.folder)
    (folder / "SPEC.md").write_text("Two things in a row.\n")

    environment = swarm.environment()
    done = run_swarmctl((*PLAN, "--runner", "embedded"), folder=folder, environment=environment, within_s=110)

    assert done.returncode == 2
    assert 'tasks.yaml: top level must be a mapping with "tasks"' in done.stderr.splitlines()[-1].replace(
        ":1:", ":"
    )
    assert not (folder / "tasks.yaml").exists()
