"""Tasks that ask for a sandbox or limits, between clients, a real server and what workers say of themselves."""

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from support.server import Server, next_claim

GIB = 1024**3
BWRAP = task_pb2.SANDBOX_KIND_BWRAP


def able(memory: int = 8 * GIB) -> task_pb2.Enforcement:
    """Returns what a worker with everything says."""
    return task_pb2.Enforcement(
        sandboxes=[task_pb2.SANDBOX_KIND_NONE, BWRAP],
        no_network=True,
        limits=task_pb2.ResourceLimits(memory_bytes=memory, cpus=4, threads=4096),
    )


async def test_a_task_goes_to_the_worker_that_can_enforce_what_it_asks_for(served: Server) -> None:
    client = served.client()
    plain = client.claims("plain", slots=4)
    await plain.read()
    asking = task_pb2.TaskDefinition(task_id="a", sandbox=BWRAP, network=task_pb2.NETWORK_ACCESS_NONE)
    asking.limits.memory_bytes = 16 * GIB
    await client.add(asking)
    small = client.claims("small", enforcement=able())
    await small.read()

    [reason] = (await client.call("ExplainTask", pb.ExplainTaskRequest(task_id="a"))).reasons

    assert reason.kind == pb.REASON_KIND_NOT_ENFORCED
    assert "plain can't enforce sandbox, network, memory" in reason.message
    assert "small can't enforce memory" in reason.message

    large = client.claims("large", enforcement=able(64 * GIB))
    claim = await next_claim(large)

    assert claim.task == asking


async def test_workers_show_what_they_can_enforce(served: Server) -> None:
    client = served.client()
    await client.claims("w1", enforcement=able()).read()

    [worker] = (await client.call("ListWorkers", pb.ListWorkersRequest())).workers

    assert worker.enforcement == able()


async def test_a_worker_of_an_older_version_takes_tasks_that_ask_for_no_sandbox(served: Server) -> None:
    client = served.client()
    stream = client.claims("older")
    await client.add(task_pb2.TaskDefinition(task_id="a", sandbox=task_pb2.SANDBOX_KIND_NONE))

    assert (await next_claim(stream)).task.task_id == "a"


@pytest.mark.parametrize("memory", [-1])
async def test_a_worker_with_a_senseless_limit_is_refused(served: Server, memory: int) -> None:
    client = served.client()

    with pytest.raises(Exception, match="limits must not be negative"):
        await client.claims("w1", enforcement=able(memory)).read()
