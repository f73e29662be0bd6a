"""A builder asks a person, and its next session gets the answer, whatever dies between the two."""

import json
from pathlib import Path

import pytest

from support.programs import QUICK, Stage, stage

ASKS = r"""#!/bin/sh
prompt=$(cat)
case $prompt in
*'Port "80", and if that is taken: 8080.'*) echo '{"status": "completed"}' ;;
*) echo '{"status": "blocked", "questions": [{"text": "Which port?"}]}' ;;
esac
"""
pytestmark = pytest.mark.slow


def _program(where: Path, name: str, text: str) -> str:
    path = where / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def _worker(found: Stage, where: Path, name: str) -> None:
    builder = _program(where, "builder", ASKS)
    validator = _program(where, "validator", '#!/bin/sh\necho \'{"verdict": "PASS"}\'\n')
    flags = ("--runner", "command", "--builder-command", builder, "--validator-command", validator)
    found.worker(name, *flags).ready()


def test_an_answer_outlives_every_process_between_question_and_session(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "tasks: [{id: a, description: Serve., max_retries: 0}, {id: b, description: Use it., dependencies: [a]}]"
    )
    with stage(tmp_path) as found:
        server = found.swarmd(*QUICK)
        server.ready()
        found.ctl("import", str(plan))
        _worker(found, tmp_path, "w1")
        found.until_status("a", "held")
        server.kill()
        server = found.swarmd(*QUICK)
        server.ready()
        inbox = json.loads(found.ctl("inbox", "-o", "json").stdout)
        assert [(entry["task"]["id"], entry["waiting"]) for entry in inbox["entries"]] == [("a", 1)]
        assert inbox["entries"][0]["task"]["hold"]["text"] == "Which port?"

        found.ctl("pause")
        found.ctl("answer", "a", 'Port "80", and if that is taken: 8080.')
        server.kill()
        server = found.swarmd(*QUICK)
        server.ready()
        found.ctl("resume")

        found.until_status("b", "held", "completed")
        shown = json.loads(found.ctl("show", "a", "-o", "json").stdout)
        assert (shown["status"], shown["attempt"]) == ("completed", 2)
        assert [hold["answer"] for hold in shown["holds"]] == ['Port "80", and if that is taken: 8080.']
