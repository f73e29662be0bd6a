"""Work waits for a person before it lands, and goes back with a finding, whatever dies meanwhile."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.forked_swarmctl import run_swarmctl
from support.git_repositories import git
from support.programs import QUICK, Stage, stage
from support.waiting import until

SAID = 'Say "good day",\nnot \\hello.'
# The builder obeys the finding; without it, it does what it likes.
BUILDS = r"""#!/bin/sh
prompt=$(cat)
case $prompt in
*'Say "good day"'*)
  echo 'good day' > greeting.txt
  answer='"answers": [{"finding_id": "p1-1", "kind": "fixed", "why": "said"}],' ;;
*) echo hello > greeting.txt ;;
esac
[ "$SWARM_TASK_ID" = b ] && cp greeting.txt copy.txt
echo "{\"status\": \"completed\", $answer \"files_modified\": [\"greeting.txt\"]}"
"""
PLAN = """
tasks:
  - {id: a, description: Greet., phase: greet, approve: before-landing, max_retries: 0, checks: [test -s greeting.txt]}
  - {id: b, description: Use it., dependencies: [a], approve: before-start, changes: none, validate: false}
"""
pytestmark = pytest.mark.slow


def _program(where: Path, name: str, text: str) -> str:
    path = where / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def _runner(found: Stage) -> tuple[str, ...]:
    builder = _program(found.folder, "builder", BUILDS)
    validator = _program(
        found.folder, "validator", '#!/bin/sh\necho \'{"verdict": "PASS", "summary": "fine"}\'\n'
    )
    return ("--runner", "command", "--builder-command", builder, "--validator-command", validator)


def _worker(found: Stage, name: str) -> None:
    found.worker(name, *_runner(found)).ready()


def _repository(found: Stage) -> None:
    found.project.mkdir()
    git(found.project, "init", "-q", "-b", "main")
    git(found.project, "commit", "-q", "--allow-empty", "-m", "start")


def _inbox(found: Stage) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(found.ctl("inbox", "-o", "json").stdout)["entries"]
    return [entry["task"] for entry in entries]


def _attempts(found: Stage, task: str) -> int:
    attempt: int = found.tasks()[task]["attempt"]
    return attempt


def test_rejected_work_goes_back_and_approved_work_lands_though_the_server_is_killed(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    with stage(tmp_path) as found:
        _repository(found)
        server = found.swarmd(*QUICK)
        found.ctl("import", str(plan))
        _worker(found, "w1")
        found.until_status("a", "held")
        server.kill()
        server = found.swarmd(*QUICK)
        assert [(task["id"], task["hold"]["point"]) for task in _inbox(found)] == [("a", "before-landing")]
        assert "swarmctl approve a" in found.ctl("inbox").stdout
        assert "hello" in found.ctl("diff", "a").stdout
        assert git(found.project, "ls-tree", "swarm/main") == "", "nothing has landed"

        found.ctl("reject", "a", "--because", SAID)
        found.until_status("a", "held")
        assert _attempts(found, "a") == 2, "the finding has used up no retry: there was none"
        found.ctl("pause")
        found.ctl("approve", "--phase", "greet")
        server.kill()
        found.swarmd(*QUICK)
        late = found.ctl("approve", "a", check=False)
        found.ctl("resume")

        found.until_status("b", "held")
        assert late.returncode in (0, 7)
        assert git(found.project, "show", "swarm/main:greeting.txt") == "good day"
        shown = json.loads(found.ctl("show", "a", "-o", "json").stdout)
        assert (shown["status"], shown["attempt"]) == ("completed", 3)
        assert [attempt["work_of"] for attempt in shown["attempts"]] == [None, None, 2]
        assert [(hold["approved"], hold["answer"]) for hold in shown["holds"]] == [
            (False, SAID),
            (True, None),
        ]

        found.ctl("approve", "b")
        found.until_status("b", "completed")
        built = found.ctl("reject", "a", "--because", "shorter", check=False)
        assert built.returncode == 7
        assert "b built on it; --with-dependents puts them back too" in built.stderr
        landed = git(found.project, "rev-parse", "swarm/main")
        found.ctl("reject", "a", "--because", "shorter", "--with-dependents")
        assert found.statuses()["b"] == "blocked"
        found.until_status("a", "held")
        assert git(found.project, "rev-parse", "swarm/main") == landed, "what has landed stays"


def test_a_restored_database_waits_for_the_approval_again(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("tasks: [{id: a, description: Greet., approve: before-landing}]")
    with stage(tmp_path) as found:
        _repository(found)
        server = found.swarmd(*QUICK)
        found.ctl("import", str(plan))
        _worker(found, "w1")
        found.until_status("a", "held")
        copy = tmp_path / "copy.db"
        found.ctl("backup", str(copy))
        found.ctl("approve", "a")
        found.until_status("a", "completed")
        landed = git(found.project, "rev-parse", "swarm/main")
        server.kill()

        restored = found.start("restore", "--restore", str(copy), program="swarmd")
        assert restored.process.wait(timeout=60) == 0, restored.said()
        found.swarmd(*QUICK)

        assert [task["id"] for task in _inbox(found)] == ["a"]
        found.ctl("approve", "a")
        found.ctl("resume")
        found.until_status("a", "completed")
        assert git(found.project, "rev-parse", "swarm/main") == landed, "what has landed is found"


def test_a_run_that_waits_goes_on_until_a_person_has_approved(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("tasks: [{id: a, description: Greet., approve: after}]")
    with stage(tmp_path) as found:
        found.project.mkdir()
        flags = (
            "--wait",
            "--workers",
            "1",
            "--project-root",
            "project",
            "--dashboard",
            "off",
            *_runner(found),
        )
        run = found.start("run", "run", str(plan), *flags, program="swarmctl")

        def ctl(*argv: str) -> str:
            done = run_swarmctl(argv, folder=found.project, environment=found.environment(), within_s=60)
            return str(done.stdout)

        until(lambda: "swarmctl approve a" in ctl("inbox"), "the work waits for an approval")
        assert run.process.poll() is None

        ctl("approve", "a")

        assert run.process.wait(timeout=60) == 0, run.said()
