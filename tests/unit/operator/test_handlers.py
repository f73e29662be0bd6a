"""The handlers that kopf calls, and kopf's settings."""

from typing import Any, cast

import kopf
import pytest

from swarm_operator import handlers
from swarm_operator.plan_sync import PlanSync
from unit.operator.conftest import RecordedCluster, RecordedSwarm


def handler(sync: PlanSync, kind: str, name: str) -> Any:
    """Returns the function of a handler by its name."""
    known: Any = handlers.registry(sync, interval_s=1.0)
    found = [item.fn for item in getattr(known, kind).get_all_handlers() if item.fn.__name__ == name]
    return found[0]


async def test_the_timer_patches_the_status_only_when_it_has_changed(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    sync_plan = handler(PlanSync(swarm, cluster), "_spawning", "sync_plan")
    body: dict[str, Any] = {
        "metadata": {"name": "p", "uid": "u"}, "spec": {"tasks": [{"id": "a", "name": "A"}]}, "status": {},
    }  # fmt: skip
    first, second = kopf.Patch(), kopf.Patch()

    await sync_plan(body=kopf.Body(cast("Any", body)), patch=first)
    body["status"] = dict(first["status"])
    await sync_plan(body=kopf.Body(cast("Any", body)), patch=second)

    assert first["status"]["phase"] == "Running"
    assert "status" not in second


@pytest.mark.parametrize("name", ["delete_plan", "delete_task"])
async def test_a_deletion_is_held_until_the_tasks_have_ended(
    swarm: RecordedSwarm, cluster: RecordedCluster, name: str
) -> None:
    delete = handler(PlanSync(swarm, cluster), "_changing", name)
    swarm.put("a", "in_progress")
    body = {"metadata": {"name": "p"}, "spec": {"taskId": "a"}, "status": {"taskIds": ["a"]}}

    with pytest.raises(kopf.TemporaryError, match="being killed: a"):
        await delete(body=kopf.Body(cast("Any", body)))
    swarm.put("a", "killed")
    await delete(body=kopf.Body(cast("Any", body)))


def test_the_operator_needs_no_rights_beyond_its_namespace() -> None:
    settings = handlers.operator_settings()

    assert settings.scanning.disabled
    assert not settings.posting.enabled
    assert settings.persistence.finalizer == "swarm.amplifier.dev/kill"
