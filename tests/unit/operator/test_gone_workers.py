"""Workers that are gone: only a proof frees their tasks."""

from typing import Any

import pytest

from amplifier_swarm.v1.swarm_pb2 import Worker, WorkerStatus
from swarm_operator.gone_workers import GoneWorkers
from unit.operator.conftest import RecordedCluster, RecordedSwarm

ENDED = {"state": {"terminated": {"exitCode": 137}}}
RUNS: dict[str, Any] = {"state": {"running": {}}}


def worker(status: str = "SUSPECT", *, tasks: int = 1) -> Worker:
    value = WorkerStatus.Value(f"WORKER_STATUS_{status}")
    return Worker(name="w1", status=value, labels={"node": "n1"}, task_ids=["a"] * tasks)


def pod(phase: str, *containers: dict[str, Any]) -> dict[str, Any]:
    return {"status": {"phase": phase, "containerStatuses": list(containers)}}


@pytest.mark.parametrize(
    ("known", "found", "node", "freed"),
    [
        (worker(), None, False, True),
        (worker(), pod("Running", RUNS), False, True),
        (worker(), pod("Failed", ENDED), True, True),
        (worker(), pod("Succeeded", ENDED), True, True),
        # A Pod that was deleted by force may still run on its Node, which nobody hears.
        (worker(), None, True, False),
        # An eviction sets the phase before the containers have ended.
        (worker(), pod("Failed", RUNS), True, False),
        (worker(), pod("Failed"), True, False),
        (worker(), pod("Running", ENDED), True, False),
        (worker("ONLINE"), None, False, False),
        (worker("GONE"), None, False, False),
        (worker(tasks=0), None, False, False),
    ],
)
async def test_tasks_are_freed_on_proof_alone(  # fixtures and the columns of the table
    swarm: RecordedSwarm,
    cluster: RecordedCluster,
    *,
    known: Worker,
    found: dict[str, Any] | None,
    node: bool,
    freed: bool,
) -> None:
    swarm.listed = [known]
    cluster.nodes = {"n1"} if node else set()
    cluster.pods = {} if found is None else {"w1": found}

    await GoneWorkers(swarm, cluster).free_tasks()

    assert swarm.calls == ([("forget", "w1")] if freed else [])


async def test_a_worker_that_is_still_connected_is_asked_about_again(
    swarm: RecordedSwarm, cluster: RecordedCluster
) -> None:
    swarm.listed, swarm.connected = [worker()], {"w1"}
    search = GoneWorkers(swarm, cluster)

    await search.free_tasks()
    await search.free_tasks()

    assert swarm.calls == [("forget", "w1")] * 2
