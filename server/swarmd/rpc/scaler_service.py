"""The scaler protocol of KEDA: how many tasks a pool of workers has."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import grpc

from amplifier_swarm.keda import externalscaler_pb2 as pb
from amplifier_swarm.keda import externalscaler_pb2_grpc as pb_grpc
from swarmd.engine.swarm import Swarm
from swarmd.store.reads import pool_demand
from swarmd.wire.pools import read_pool

Context = grpc.aio.ServicerContext[Any, Any]
METRIC: Final = "swarm-tasks"
# A stream reads the demand at most once in this time, however much happens.
PACE_S: Final = 1.0


class ScalerService(pb_grpc.ExternalScalerServicer):
    """The servicer. Its metric counts ready tasks and held leases, so a smaller pool still holds what runs."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    async def IsActive(self, request: pb.ScaledObjectRef, context: Context) -> pb.IsActiveResponse:
        return pb.IsActiveResponse(result=await self._count(request) > 0)

    async def StreamIsActive(
        self, request: pb.ScaledObjectRef, context: Context
    ) -> AsyncIterator[pb.IsActiveResponse]:
        known: bool | None = None
        while True:
            changed = self._swarm.wakeups.wait_next()
            active = await self._count(request) > 0
            if active is not known:
                yield pb.IsActiveResponse(result=active)
                known = active
            await changed
            await asyncio.sleep(PACE_S)

    async def GetMetricSpec(self, request: pb.ScaledObjectRef, context: Context) -> pb.GetMetricSpecResponse:
        slots = read_pool(request.scalerMetadata).slots
        return pb.GetMetricSpecResponse(
            metricSpecs=[pb.MetricSpec(metricName=METRIC, targetSize=slots, targetSizeFloat=slots)]
        )

    async def GetMetrics(self, request: pb.GetMetricsRequest, context: Context) -> pb.GetMetricsResponse:
        count = await self._count(request.scaledObjectRef)
        return pb.GetMetricsResponse(
            metricValues=[
                pb.MetricValue(
                    metricName=request.metricName or METRIC, metricValue=count, metricValueFloat=count
                )
            ]
        )

    async def _count(self, request: pb.ScaledObjectRef) -> int:
        pool = read_pool(request.scalerMetadata)
        return await self._swarm.db.read(partial(pool_demand.count_tasks, pool=pool))
