"""Secrets that are planted where sessions find them turn up nowhere else."""

import signal
from pathlib import Path

import httpx
import pytest
import yaml

from support.programs import Stage
from support.waiting import until

# This value does not look like a secret; only the name of its variable shows that it is one.
PASSED = "planted-" + "7d31c0ffee"
LOOKS = "AKIA" + "Q7PLANTEDQ7KEY00"
SESSION = f"""
import json, os, pathlib, sys, time
key = "AK" + "IA" + "{LOOKS[4:]}"
print(dict(os.environ), key, flush=True)
print(os.environ["PLANTED_API_KEY"], key, file=sys.stderr, flush=True)
pathlib.Path("prints").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.02)
print(json.dumps({{"status": "blocked", "blockers": [key], "implementation_notes": os.environ["PLANTED_API_KEY"]}}))
sys.exit("can't go on with " + key + " and " + os.environ["PLANTED_API_KEY"])
"""


def command_lines() -> str:
    """Returns the command lines of all processes, which every user of the machine can read."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


@pytest.mark.slow
def test_no_secret_of_a_session_is_kept_logged_shown_or_in_any_command_line(
    swarm: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", PASSED)
    swarm.project.mkdir()
    (swarm.folder / "session.py").write_text(SESSION)
    plan = {"tasks": [{"id": "a", "name": "a", "max_retries": 0}]}
    (swarm.folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    server = swarm.swarmd("--dashboard", "127.0.0.1:0", "--log-level", "debug")
    swarm.ctl("import", "plan.yaml")
    argv = ("--runner", "command", "--no-validation", "--pass-env", "PLANTED_API_KEY", "--log-level", "debug")
    worker = swarm.worker("w1", *argv, "--builder-command", f"python3 {swarm.folder / 'session.py'}")
    token = (swarm.state / "token").read_text().strip()
    secrets = (PASSED, LOOKS, token.split("_", 3)[3])

    until((swarm.project / "prints").exists, "the session has printed")
    shown_to_all = command_lines()
    (swarm.project / "go").touch()
    swarm.until_status("a", "held")
    logs = swarm.ctl("logs", "a").stdout
    with httpx.Client(
        base_url=server.ready()["dashboard"], headers={"Authorization": f"Bearer {token}"}
    ) as http:
        answers = "".join(http.get(path).text for path in ("/api/tasks/a", "/api/tasks/a/log", "/api/log"))
    said = swarm.ctl("show", "a", "-o", "json").stdout + logs + answers
    assert worker.end(signal.SIGTERM) == server.end(signal.SIGTERM) == 0

    assert "[secret]" in logs
    assert "can't go on with [secret] and [secret]" in answers
    assert [secret for secret in secrets if secret in shown_to_all + said] == []
    own = {swarm.folder / "session.py", swarm.state / "token"}
    kept = [file for file in swarm.folder.rglob("*") if file.is_file() and file not in own]
    assert any(file.name == "swarm.db" for file in kept)
    leaks = [(file, secret) for file in kept for secret in secrets if secret.encode() in file.read_bytes()]
    assert leaks == []
