"""KEDA's external scaler protocol, as KEDA's operator speaks it."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from amplifier_swarm.keda import externalscaler_pb2 as pb
from amplifier_swarm.keda.externalscaler_pb2_grpc import ExternalScalerStub
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import task_pb2
from support.server import Client, Server, next_message, refusal, server
from swarmd.rpc import health, limits


def ref(**metadata: str) -> pb.ScaledObjectRef:
    return pb.ScaledObjectRef(name="workers", namespace="swarm", scalerMetadata=metadata)


def scaler(client: Client) -> Any:
    return ExternalScalerStub(client.channel)


def named(*task_ids: str) -> list[task_pb2.TaskDefinition]:
    return [task_pb2.TaskDefinition(task_id=task_id) for task_id in task_ids]


async def test_the_metric_is_the_number_of_ready_and_held_tasks_and_its_target_the_slots(
    tmp_path: Path,
) -> None:
    async with server(tmp_path, scaler_open=True) as served:
        client = served.client()
        stub, pool = scaler(client), ref(slots="2", labels="")

        assert not (await stub.IsActive(pool)).result
        await client.add(*named("a", "b", "c"))
        stream = client.claims()
        await next_message(stream)

        [spec] = (await stub.GetMetricSpec(pool)).metricSpecs
        assert (spec.targetSize, spec.targetSizeFloat) == (2, 2.0)
        request = pb.GetMetricsRequest(scaledObjectRef=pool, metricName=spec.metricName)
        [value] = (await stub.GetMetrics(request)).metricValues
        assert (value.metricName, value.metricValue, value.metricValueFloat) == (spec.metricName, 3, 3.0)
        assert (await stub.IsActive(pool)).result
        stream.cancel()


@pytest.mark.slow
async def test_a_stream_sends_the_activity_at_once_and_at_each_change(tmp_path: Path) -> None:
    async with server(tmp_path, scaler_open=True) as served:
        client = served.client()
        stream = scaler(client).StreamIsActive(ref())
        assert not (await next_message(stream)).result

        await client.add(*named("a"))
        assert (await next_message(stream)).result

        await client.call("KillTask", operator_pb.KillTaskRequest(task_ids=["a"]))
        assert not (await next_message(stream)).result


async def test_without_the_flag_a_token_is_needed_and_a_viewer_is_enough(served: Server) -> None:
    client = served.client()
    request = operator_pb.CreateTokenRequest(role=operator_pb.ROLE_VIEWER, name="scaler")
    viewer = served.client((await client.call("CreateToken", request)).token)

    refused = await refusal(scaler(client).IsActive(ref()))

    assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    assert not (await scaler(viewer).IsActive(ref(), metadata=viewer.metadata)).result


async def test_the_flag_opens_nothing_else(tmp_path: Path) -> None:
    async with server(tmp_path, scaler_open=True) as served:
        refused = await refusal(served.client("").operator.GetSwarm(operator_pb.GetSwarmRequest()))

    assert refused.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"slots": "0"}, "scalerMetadata.slots: is '0'"),
        ({"slots": "many"}, "scalerMetadata.slots: is 'many'"),
        ({"labels": "gpu"}, "scalerMetadata.labels: has 'gpu'"),
        ({"unlabelled": "yes"}, "scalerMetadata.unlabelled: is 'yes'"),
        ({"clones": "1"}, "scalerMetadata.clones: is '1'"),
    ],
)
async def test_metadata_that_is_not_understood_is_refused(
    tmp_path: Path, metadata: dict[str, str], says: str
) -> None:
    async with server(tmp_path, scaler_open=True) as served:
        refused = await refusal(scaler(served.client()).GetMetricSpec(ref(**metadata)))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert says in refused.message


async def test_callers_without_a_token_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.MAX_STREAMS, "StreamIsActive", 1)
    async with server(tmp_path, scaler_open=True) as served:
        stub = scaler(served.client())
        first = stub.StreamIsActive(ref())
        await next_message(first)

        refused = await refusal(stub.StreamIsActive(ref()).read())
        long = await refusal(stub.IsActive(ref(padding="x" * health.MAX_SCALER_BYTES)))

    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "send at most 65,536" in long.message
