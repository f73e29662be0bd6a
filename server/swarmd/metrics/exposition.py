"""The answer to a scrape: the present state, and the counters since the start."""

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
        """Returns all figures as text."""
        found = [self._start, *families(await state.read_state(self._swarm))]
        now = CollectorRegistry(auto_describe=False)
        now.register(_FixedCollector(found))
        return generate_latest(now) + generate_latest(self._meters.registry)


class _FixedCollector(Collector):
    """A collector of given families."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        yield from self._found
