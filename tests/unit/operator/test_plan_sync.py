"""SwarmPlans and SwarmTasks: what the operator asks of the swarm and of the API server."""

from typing import Any

import pytest

from amplifier_swarm.v1.budget_pb2 import PlanBudget
from swarm_operator import plan_sync
from swarm_operator.plan_sync import KILL, PlanSync, object_name
from unit.operator.conftest import RecordedCluster, RecordedSwarm


def plan(*task_ids: str, status: dict[str, Any] | None = None, generation: int = 1) -> dict[str, Any]:
    tasks = [{"id": task_id, "name": task_id} for task_id in task_ids]
    metadata = {"name": "p", "uid": "u1", "generation": generation}
    return {"metadata": metadata, "spec": {"tasks": tasks}, "status": status or {}}


def applied(status: dict[str, Any]) -> dict[str, Any]:
    [found] = [condition for condition in status["conditions"] if condition["type"] == "Applied"]
    return found  # type: ignore[no-any-return]  # a document


async def test_a_plan_is_imported_once_and_mirrored_as_it_changes(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    sync = PlanSync(swarm, cluster)
    first = await sync.sync(plan("a", "b"))
    again = await sync.sync(plan("a", "b", status=first))
    swarm.put("a", "in_progress", attempt=1, worker="w1")
    swarm.put("b", "failed", attempt=2, last_error="it broke")
    last = await sync.sync(plan("a", "b", status=again))

    assert swarm.calls == [("add", "a", "b")]
    assert again == first
    assert (first["phase"], applied(first)["message"]) == ("Running", "2 added, 0 changed, 0 unchanged")
    assert cluster.calls == [
        ("create", "p-a"), ("create", "p-b"), ("patch", "p-a", "not_started"), ("patch", "p-b", "not_started"),
        ("patch", "p-a", "in_progress"), ("patch", "p-b", "failed"),
    ]  # fmt: skip
    assert cluster.objects["p-a"]["status"] == {"status": "in_progress", "attempt": 1, "worker": "w1"}
    assert cluster.objects["p-b"]["status"] == {"status": "failed", "attempt": 2, "reason": "it broke"}
    assert (last["tasks"], last["completed"], last["failed"]) == (2, 0, 1)


async def test_the_target_of_a_plan_is_a_label_that_its_workers_must_have(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    sync = PlanSync(swarm, cluster)
    aimed = plan("a", "b")
    aimed["spec"]["tasks"][0]["labels"] = {"gpu": "yes", "target": "elsewhere"}
    aimed["spec"]["target"] = "release"
    status = await sync.sync(aimed)
    aimed["status"] = await sync.sync({**aimed, "status": status})
    assert swarm.labels == {"a": {"gpu": "yes", "target": "release"}, "b": {"target": "release"}}

    del aimed["spec"]["target"]
    await sync.sync(aimed)

    assert swarm.calls == [("add", "a", "b")] * 2, "a changed target is a changed plan"
    assert swarm.labels == {"a": {"gpu": "yes", "target": "elsewhere"}, "b": {}}


async def test_the_budget_of_a_plan_has_the_name_of_the_plan(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    funded = plan("a")
    funded["spec"]["budget"] = {"max_cost": "20", "max_tokens": 5_000}
    await PlanSync(swarm, cluster).sync(funded)

    assert swarm.budget == PlanBudget(name="p", max_cost="20", max_tokens=5_000)


async def test_a_restart_of_the_operator_repeats_nothing(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    status = await PlanSync(swarm, cluster).sync(plan("a"))
    cluster.calls.clear()

    again = await PlanSync(swarm, cluster).sync(plan("a", status=status))

    assert again == status
    assert swarm.calls == [("add", "a")]
    assert cluster.calls == []


async def test_an_import_whose_status_was_not_stored_is_repeated_without_harm(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    await PlanSync(swarm, cluster).sync(plan("a"))

    status = await PlanSync(swarm, cluster).sync(plan("a"))

    assert applied(status)["message"] == "0 added, 0 changed, 1 unchanged"
    assert list(cluster.objects) == ["p-a"]


async def test_a_changed_plan_says_what_it_left_alone(swarm: RecordedSwarm, cluster: RecordedCluster) -> None:
    sync = PlanSync(swarm, cluster)
    status = await sync.sync(plan("a", "b"))

    status = await sync.sync(plan("b", "c", status=status, generation=2))

    assert applied(status)["message"] == (
        "1 added, 0 changed, 1 unchanged; no longer in the plan, and left as they are: a"
    )
    assert (status["observedGeneration"], status["taskIds"]) == (2, ["a", "b", "c"])


async def test_a_refused_plan_says_why_by_line_and_is_tried_again_later(
    swarm: RecordedSwarm, cluster: RecordedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm.refusal = "no task 'x'"
    sync = PlanSync(swarm, cluster)
    status = await sync.sync(plan("a"))
    assert (applied(status)["status"], applied(status)["reason"]) == ("False", "Refused")
    assert applied(status)["message"] == "p:3: task \"a\": dependencies: no task 'x'"
    assert status["phase"] == "Refused"

    assert await sync.sync(plan("a", status=status)) == status
    swarm.refusal = ""
    monkeypatch.setattr(plan_sync, "AGAIN_S", 0.0)
    status = await PlanSync(swarm, cluster).sync(plan("a", status=status))

    assert applied(status)["status"] == "True"
    assert len(swarm.calls) == 2, "not at each look"


async def test_a_fault_of_the_plan_itself_never_reaches_the_swarm(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    status = await PlanSync(swarm, cluster).sync(plan("a", "a"))

    assert applied(status)["status"] == "False"
    assert swarm.calls == []


async def test_tasks_come_from_a_config_map_and_a_missing_one_is_named(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    sync = PlanSync(swarm, cluster)
    referring = plan()
    referring["spec"] = {"tasksFrom": {"configMap": "night", "key": "plan.yaml"}}

    status = await sync.sync(referring)
    assert applied(status)["message"] == "there is no ConfigMap 'night' in the namespace; create it"
    cluster.texts["night"] = {}
    status = await PlanSync(swarm, cluster).sync({**referring, "status": status})
    assert (
        applied(status)["message"] == "the ConfigMap 'night' has no key 'plan.yaml'; add it, or name another"
    )
    cluster.texts["night"] = {"plan.yaml": "tasks:\n  - id: a\n    name: A\n"}
    status = await sync.sync({**referring, "status": status})

    assert swarm.calls == [("add", "a")]
    assert applied(status)["reason"] == "Imported"


async def test_an_annotation_kills_a_task_once_it_is_seen_and_no_ended_task(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    sync = PlanSync(swarm, cluster)
    status = await sync.sync(plan("a", "b"))
    swarm.put("a", "in_progress")
    swarm.put("b", "completed")
    for found in cluster.objects.values():
        found["metadata"]["annotations"] = {KILL: "yes"}

    await sync.sync(plan("a", "b", status=status))
    swarm.put("a", "killing")
    await sync.sync(plan("a", "b", status=status))

    assert [call for call in swarm.calls if call[0] == "kill"] == [("kill", "a", f"the annotation {KILL}")]


async def test_what_was_deleted_is_not_created_again(swarm: RecordedSwarm, cluster: RecordedCluster) -> None:
    sync = PlanSync(swarm, cluster)
    status = await sync.sync(plan("a", "b"))
    del cluster.objects["p-a"]

    await sync.sync(plan("a", "b", status=status))

    assert list(cluster.objects) == ["p-b"]


async def test_an_end_waits_for_the_proof(swarm: RecordedSwarm, cluster: RecordedCluster) -> None:
    sync = PlanSync(swarm, cluster)
    swarm.put("a", "in_progress")
    swarm.put("b", "completed")

    assert await sync.end_tasks(["a", "b", "unknown"], "why") == "1 tasks are being killed: a"
    swarm.put("a", "killed")
    swarm.left["a"] = 2
    assert (
        await sync.end_tasks(["a", "b"], "why")
        == "processes of a could not be ended; end them on the host of a"
    )
    swarm.left.clear()
    assert await sync.end_tasks(["a", "b"], "why") == ""
    assert swarm.calls == [("kill", "a", "why")]


@pytest.mark.parametrize(
    ("task_id", "name"), [("2.6.1", "p-2.6.1"), ("a-b", "p-a-b"), ("A", "p-a-"), ("x" * 128, "p-xxx")]
)
def test_names_of_objects_are_valid_and_never_shared(task_id: str, name: str) -> None:
    made = object_name("p", task_id)

    assert made.startswith(name)
    assert len(made) <= plan_sync.MAX_NAME
    assert made != object_name("p", task_id.swapcase() + "y")
