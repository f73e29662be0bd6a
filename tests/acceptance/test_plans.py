"""Plans from lists of other tools, and single tasks, on a real server."""

import json
from pathlib import Path

import pytest

from support.predecessor import make_database
from support.programs import ROOT, Stage

pytestmark = pytest.mark.slow
FORMATS = ROOT / "tests" / "unit" / "client" / "formats"


def test_lists_of_other_tools_are_imported_once_and_come_back_and_one_task_is_added_and_edited(
    swarm: Stage,
) -> None:
    swarm.swarmd()
    database = Path(swarm.folder / "tasks.db")
    make_database(database)
    lists = [
        database,
        *(FORMATS / name for name in ("beads-epic.jsonl", "jira-parents.csv", "speckit-stories.md")),
    ]
    for file in lists:
        first = json.loads(swarm.ctl("import", str(file), "--from", "auto", "-o", "json").stdout)
        again = json.loads(swarm.ctl("import", str(file), "--from", "auto", "-o", "json").stdout)
        assert (first["added"], first["changed"]) == (again["unchanged"], 0)
        assert (again["added"], again["changed"]) == (0, 0)
    assert len(swarm.statuses()) == 6 + 7 + 30 + 48

    exported = swarm.folder / "export.yaml"
    swarm.ctl("export", str(exported))
    before = exported.read_bytes()
    reply = json.loads(swarm.ctl("import", str(exported), "-o", "json").stdout)
    swarm.ctl("export", str(exported))
    assert (reply["unchanged"], exported.read_bytes()) == (91, before)

    swarm.ctl("add", "extra", "--name", "One more", "--dependencies", "T043", "--set", "priority=high")
    refused = swarm.ctl("edit", "extra", "--set", "dependencies=[nowhere]", check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert 'depends on unknown task "nowhere"' in refused.stderr
    said = swarm.ctl("edit", "extra", "--set", "name=Another").stdout
    assert said.splitlines()[0] == "extra is changed:"
    definition = json.loads(swarm.ctl("show", "extra", "-o", "json").stdout)
    assert (definition["name"], definition["dependencies"]) == ("Another", ["T043"])
