"""Answers a scrape: the state as of now, and what was counted since the start."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from swarmd.engine.swarm import Swarm
from swarmd.metrics import state
from swarmd.metrics.gauges import families
from swarmd.metrics.meters import Meters

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Metrics:
    """The figures of one server."""

    def __init__(self, swarm: Swarm, meters: Meters, *, started_us: int) -> None:
        self._swarm = swarm
        self._meters = meters
        self._start = GaugeMetricFamily(
            "swarm_start_time_seconds", "When the server started, since 1970.", started_us / 1e6
        )
        ProcessCollector(registry=meters.registry)

    async def expose(self) -> bytes:
        """All figures, as text."""
        found = [self._start, *families(await state.take(self._swarm))]
        now = CollectorRegistry(auto_describe=False)
        now.register(_Fixed(found))
        return generate_latest(now) + generate_latest(self._meters.registry)


class _Fixed(Collector):
    """Families that are known already."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        yield from self._found
