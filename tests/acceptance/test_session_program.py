"""Builders in a shell act for their own task by `swarm-session`, also from a sandbox without a network."""

import json
import shutil
import time

import pytest

from support.programs import Stage
from support.waiting import until

pytestmark = pytest.mark.slow

# Each line that fails ends the builder, so that the task does not complete.
BUILDER = """\
#!/bin/sh
set -e
if [ "$SWARM_TASK_ID" = first ]; then
    echo '{"status": "completed", "implementation_notes": "the port is 8080"}'
    exit
fi
case $SWARM_TASK_ID in *-f1) echo '{"status": "completed"}'; exit;; esac
swarm-session progress --percent 40 'reading the notes'
swarm-session dependency | grep -q 'the port is 8080'
if swarm-session dependency other 2> refused; then exit 1; fi
grep -q other refused
printf report > report.txt
swarm-session artifact report.txt
swarm-session file-task 'Close the port' --description 'Port 8080 is open.' --check true > filed
swarm-session progress --percent 90 "filed $(cat filed)"
echo "$SWARM_SESSION_TOKEN" > token
echo '{"status": "completed"}'
"""
SANDBOXES = [
    pytest.param("none", id="plain"),
    pytest.param(
        "bwrap", id="bwrap", marks=pytest.mark.skipif(not shutil.which("bwrap"), reason="no bubblewrap")
    ),
]


@pytest.mark.timeout(90)
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_builder_reports_files_and_asks_for_nothing_of_others(swarm: Stage, sandbox: str) -> None:
    script = swarm.folder / "builder.sh"
    script.write_text(BUILDER)
    script.chmod(0o755)
    tasks: list[dict[str, object]] = [
        {"id": "first"},
        {"id": "other"},
        {"id": "a", "dependencies": ["first"], "network": "none" if sandbox == "bwrap" else "full"},
    ]
    # The other task needs a label that no worker has, so it never starts.
    tasks[1]["labels"] = {"gpu": "yes"}
    (swarm.folder / "plan.json").write_text(json.dumps({"tasks": tasks}))
    swarm.swarmd()
    swarm.ctl("import", "plan.json")
    shown = ("--sandbox-bind", str(swarm.folder / "builder.sh")) if sandbox == "bwrap" else ()
    swarm.worker(
        "w1",
        "--runner",
        "command",
        "--no-validation",
        "--builder-command",
        str(script),
        "--sandbox",
        sandbox,
        *shown,
    )

    swarm.until_status("a", "completed", "failed")

    found = json.loads(swarm.ctl("show", "a", "-o", "json").stdout)
    assert found["status"] == "completed", found["last_error"]
    assert swarm.tasks()["a-f1"]["hold"]["kind"] == "approval"
    assert "report.txt" in swarm.ctl("artifacts", "a").stdout
    [session] = found["attempts"][0]["sessions"]
    assert (session["progress"]["text"], session["progress"]["percent"]) == ("filed a-f1", 90)
    (swarm.project / "token").chmod(0o600)
    token = (swarm.project / "token").read_text().strip()
    assert token.startswith("swt1_session_")
    for call in (("list",), ("kill", "a")):
        refused = swarm.ctl("--token-file", str(swarm.project / "token"), *call, check=False)
        assert "has ended or is ordered to end" in refused.stderr
    swarm.ctl("approve", "a-f1")
    until(lambda: swarm.statuses()["a-f1"] == "completed", "the follow-up runs once it is approved")


ASKS = """\
#!/bin/sh
answer=$(swarm-session ask 'Which port?' --option 80 --option 8080) || exit 1
echo "$SWARM_ATTEMPT $answer" >> answers
echo '{"status": "completed"}'
"""


@pytest.mark.timeout(90)
def test_a_builder_asks_waits_in_place_and_parks_its_task_if_nobody_answers(swarm: Stage) -> None:
    script = swarm.folder / "asks.sh"
    script.write_text(ASKS)
    script.chmod(0o755)
    tasks = [
        {"id": "waits", "ask_timeout": 60, "stall_timeout": 1},
        {"id": "parks", "dependencies": ["waits"]},
    ]
    (swarm.folder / "plan.json").write_text(json.dumps({"tasks": tasks}))
    swarm.swarmd()
    swarm.ctl("import", "plan.json")
    swarm.worker("w1", "--runner", "command", "--no-validation", "--builder-command", str(script))

    until(lambda: swarm.tasks()["waits"]["hold"], "the question is there while the task runs")
    asked_s = time.monotonic()
    # Longer than the stall limit, which a wait for a person does not count.
    until(lambda: time.monotonic() - asked_s > 1.5, "the session has waited")
    assert swarm.statuses()["waits"] == "in_progress"
    assert "Which port?" in swarm.ctl("inbox").stdout
    swarm.ctl("answer", "waits", "--option", "2")
    swarm.until_status("waits", "completed")
    swarm.until_status("parks", "held")
    swarm.ctl("answer", "parks", "--option", "1")

    # The next builder has the answer in its prompt; this one asks again, and parks again.
    until(lambda: swarm.tasks()["parks"]["attempt"] == 2, "the answer starts the next attempt")
    assert (swarm.project / "answers").read_text() == "1 8080\n"


@pytest.mark.timeout(90)
def test_an_embedded_session_files_a_follow_up_asks_and_gets_its_answer(swarm: Stage) -> None:
    ask = "swarm-session ask 'Which port?' --option 80 --option 8080 > answer.txt"
    calls = [
        {"bash": {"command": "swarm-session file-task 'Close it' --description 'Port 8080.'"}},
        {"bash": {"command": ask}},
    ]
    tasks = [{"id": "a", "ask_timeout": 60, "validate": False, "rehearsal": {"builder": [{"calls": calls}]}}]
    (swarm.folder / "plan.json").write_text(json.dumps({"tasks": tasks}))
    swarm.swarmd()
    swarm.ctl("import", "plan.json")
    swarm.worker("w1", "--runner", "embedded")

    until(lambda: swarm.tasks()["a"]["hold"], "the question is there while the session runs")
    assert swarm.statuses() == {"a": "in_progress", "a-f1": "held"}
    swarm.ctl("answer", "a", "--option", "2")

    swarm.until_status("a", "completed")
    assert (swarm.project / "answer.txt").read_text() == "8080\n"
