"""`validate`: the faults of an import, with no server anywhere."""

import json
from pathlib import Path

import pytest

from support.programs import ROOT, Stage

pytestmark = pytest.mark.slow


def test_a_file_is_checked_by_the_rules_of_the_server_and_nothing_is_left(swarm: Stage) -> None:
    file = ROOT / "examples" / "predecessor" / "tasks.yaml"

    done = swarm.ctl("validate", str(file), "-o", "json", server=False)

    assert json.loads(done.stdout)["tasks"] == 50
    assert (
        not list((swarm.folder / "state-home").rglob("*.db"))
        if (swarm.folder / "state-home").exists()
        else True
    )
    assert swarm.ctl("status", server=False, check=False).returncode != 0


def test_faults_of_client_and_server_are_named_by_line(swarm: Stage) -> None:
    bad = Path(swarm.folder / "bad.yaml")
    bad.write_text('tasks:\n  - id: a\n    files: ["src/*.py"]\n    dependencies: [b]\n')

    done = swarm.ctl("validate", str(bad), server=False, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert f'{bad}:3: task "a": files[0]: "src/*.py" is a pattern; name each file' in done.stderr
    assert f'{bad}:4: task "a": dependencies[0]: depends on unknown task "b"' in done.stderr
