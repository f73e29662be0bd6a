"""The program of docs/python.md runs as it stands there, with real workers."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import QUICK, ROOT, stage

BUILDER = r"""#!/bin/sh
prompt=$(cat)
case $prompt in
*'Serve for ever.'*) echo serving; exec sleep 600 ;;
*8080*) echo '{"status": "completed"}' ;;
*) echo '{"status": "blocked", "questions": [{"text": "Which port?"}]}' ;;
esac
"""
VALIDATOR = '#!/bin/sh\necho \'{"verdict": "PASS"}\'\n'
PLAN = "tasks: [{id: ask, description: Choose a port.}, {id: serve, description: Serve for ever.}]\n"


@pytest.mark.slow
def test_the_program_submits_follows_answers_and_prints_receipts(tmp_path: Path) -> None:
    page = (ROOT / "docs/python.md").read_text()
    program = page.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    for name, text in (("builder", BUILDER), ("validator", VALIDATOR)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "plan.yaml").write_text(PLAN)

    with stage(tmp_path) as found:
        found.swarmd(*QUICK).ready()
        commands = (
            "--builder-command",
            str(tmp_path / "builder"),
            "--validator-command",
            str(tmp_path / "validator"),
        )
        found.worker("w1", "--slots", "2", "--runner", "command", *commands).ready()
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=found.folder,
            env=found.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert "Added(added=2" in done.stdout
    assert "Which port?" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("killed KillReceipt(")
    assert "survivors=0" in last
