"""`init`: a task file to begin with, which replaces nothing."""

import json
from pathlib import Path

import jsonschema
import yaml

from amplifier_swarm.plan.read import read_plan
from unit.client.conftest import Ctl


def test_the_starter_is_a_plan_without_faults_that_fits_its_schema(alone: Ctl, tmp_path: Path) -> None:
    result = alone("init")
    plan = read_plan(str(tmp_path / "tasks.yaml"), strict=True)
    schema = json.loads((tmp_path / "tasks.schema.json").read_text())

    assert result.code == 0
    assert "swarmctl validate tasks.yaml" in result.out
    assert [task.definition.task_id for task in plan.tasks] == ["greeting", "answer"]
    jsonschema.validate(yaml.safe_load((tmp_path / "tasks.yaml").read_text()), schema)
    assert (
        (tmp_path / "tasks.yaml")
        .read_text()
        .startswith("# yaml-language-server: $schema=tasks.schema.json\n")
    )
    assert alone("plan", "tasks.yaml", "--no-server").code == 0


def test_init_replaces_no_file_and_no_link(alone: Ctl, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nowhere.yaml")

    for name in ("mine.yaml", "link.yaml"):
        result = alone("init", name)
        assert (result.code, result.out) == (7, "")
        assert result.err == f"swarmctl: {name} exists; name another FILE, or remove it\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "mine.yaml"]
    assert (tmp_path / "mine.yaml").read_text() == "mine"


def test_init_keeps_an_older_schema_and_names_a_folder_that_is_missing(alone: Ctl, tmp_path: Path) -> None:
    (tmp_path / "tasks.schema.json").write_text("{}")

    assert alone("init", "plan.yaml").out.startswith("wrote plan.yaml; next")
    assert (tmp_path / "tasks.schema.json").read_text() == "{}"
    missing = alone("init", "no/such/plan.yaml")
    assert missing.code == 1
    assert "No such file" in missing.err
