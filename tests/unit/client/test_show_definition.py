"""`swarmctl show`: the part of a definition that is about workspaces, names and landings."""

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1 import task_pb2
from support.operator import FakeOperator
from unit.client.conftest import Ctl, in_every_form

TASK = task_pb2.Task(task_id="a", status=task_pb2.TASK_STATUS_NOT_STARTED)
WHOLE = task_pb2.TaskDefinition(
    task_id="a", setup=["npm ci"], exclusive=["db", "port"], keep=["node_modules"], artifacts=["x.png"],
    land=False, landing=task_pb2.LANDING_STYLE_MERGE, landing_checks=["make test"],
    workspace=task_pb2.WORKSPACE_KIND_CLONE,
)  # fmt: skip


def test_show_has_what_the_task_asks_for(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(task=TASK, definition=WHOLE)

    document, text = in_every_form(ctl, "show", "a")

    assert (document["workspace"], document["landing"], document["land"]) == ("clone", "merge", False)
    assert (document["exclusive"], document["setup"]) == (["db", "port"], ["npm ci"])
    assert (document["changes"], document["retry_from"]) == (None, None)
    for shown in ("db, port", "land: false, landing: merge", "- npm ci", "- make test", "node_modules"):
        assert shown in text


def test_show_says_nothing_of_what_the_task_leaves_open(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(task=TASK)

    document, text = in_every_form(ctl, "show", "a")

    assert (document["workspace"], document["land"], document["exclusive"]) == (None, None, [])
    for word in ("exclusive", "landing", "workspace", "kept", "artifacts"):
        assert word not in text
