"""What `/metrics` answers: gauges that are read when somebody scrapes, in the text form of Prometheus."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from amplifier_swarm.documents.swarm import counts
from amplifier_swarm.v1.swarm_pb2 import Swarm
from swarmd.web.route import Site

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


async def expose(site: Site) -> bytes:
    """All figures as of now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(await site.looks.swarm()))
    return generate_latest(registry)


class _Now(Collector):
    """The swarm as of one scrape."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        tasks = GaugeMetricFamily("swarm_tasks", "Tasks by status.", labels=["status"])
        for status, count in counts(self._swarm).items():
            tasks.add_metric([status], count)
        yield tasks
        yield GaugeMetricFamily("swarm_workers", "Connected workers.", value=self._swarm.workers)
        yield GaugeMetricFamily("swarm_slots", "Slots of the connected workers.", value=self._swarm.slots)
