"""The JSON Schema of task files says the same as the readers of client and server."""

import json
from typing import Any

import jsonschema
import pytest

from amplifier_swarm.plan.faults import PlanRefused
from amplifier_swarm.plan.fields import FIELDS
from amplifier_swarm.plan.read import plan_of
from amplifier_swarm.plan.schema import task_file_schema
from amplifier_swarm.plan.source import Source
from swarmd.domain.errors import InvalidTasks
from swarmd.domain.plan import check_plan
from swarmd.wire.definitions import read_planned
from unit.client.conftest import Ctl

VALUES: tuple[Any, ...] = (
    *("", "x", "high", "HIGH", "none", "Required", "squash", "5", "yes", None, True, False),
    *(-1, 0, 1, 2, 0.5, 100, 101, 1000, 1001, -1001, 604_800, 604_801, 100_001, 1e30),
    *(
        [],
        ["x"],
        ["x", "y"],
        [1],
        [None],
        [["x"]],
        {},
        {"x": "y"},
        {"x": 1},
        {"x": None},
        {"x": []},
        "n" * 600,
    ),
)
# What a reader says beyond the reach of a schema: the words of these fields have their own grammar.
BEYOND = {"limits", "rehearsal", "labels", "concurrency"}
VALIDATOR = jsonschema.Draft202012Validator(task_file_schema())


def is_read(document: Any) -> bool:
    """Returns whether client and server take the document, except for what names other things than itself."""
    try:
        plan = plan_of(Source("plan.json", json.dumps(document)), strict=True)
        check_plan([read_planned(task) for task in plan.tasks], {"x": (), "y": ()})
    except (PlanRefused, InvalidTasks):
        return False
    return True


def test_the_schema_is_a_schema_and_has_every_field() -> None:
    schema = task_file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    assert list(schema["properties"]["tasks"]["items"]["properties"]) == list(FIELDS)
    assert "id" not in schema["properties"]["defaults"]["anyOf"][0]["properties"]


@pytest.mark.parametrize("name", sorted(set(FIELDS) - BEYOND - {"id"}))
def test_schema_and_readers_agree_on_every_field(name: str) -> None:
    for value in VALUES:
        document = {"tasks": [{"id": "a", name: value}]}

        assert VALIDATOR.is_valid(document) == is_read(document), (name, value)


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        ({"tasks": []}, True),
        ({"tasks": [{"id": "a"}], "version": "1.0", "exported_at": "x", "summary": {}}, True),
        ({"tasks": [{"id": "ä"}]}, False),
        ({"tasks": [{"id": 5}]}, False),
        ({"tasks": [{}]}, False),
        ({"tasks": [{"id": "a", "colour": "red"}]}, False),
        ({"tasks": {"id": "a"}}, False),
        ({"tasks": [], "defaults": {"max_retries": 3}}, True),
        ({"tasks": [], "defaults": {"id": "a"}}, False),
        ({"tasks": [], "defaults": None, "concurrency": {"gpu": 2}}, True),
        ({"tasks": [], "concurrency": {"gpu": "2"}}, False),
        ({"tasks": [], "workspace": "clone"}, True),
        ({"tasks": [], "name": "x"}, False),
        ([], False),
    ],
)
def test_schema_and_readers_agree_on_whole_files(document: Any, valid: bool) -> None:  # noqa: FBT001  # a table
    assert (VALIDATOR.is_valid(document), is_read(document)) == (valid, valid)


def test_the_schema_is_printed_without_a_server(alone: Ctl) -> None:
    assert json.loads(alone("schema").out) == task_file_schema()
