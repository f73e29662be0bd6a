"""Fixtures of the kill matrix, and its printed figures."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fakes.containment_levels import Level, level
from fakes.swarm_server import fake_swarm
from kill.prison import Prison

TOOK = "took"


@pytest.fixture
def reached(request: pytest.FixtureRequest) -> Iterator[Level]:
    """Yields the containment level of the test."""
    with level(request.param) as found:
        yield found


@pytest.fixture
async def prison(tmp_path: Path, reached: Level) -> AsyncIterator[Prison]:
    async with fake_swarm() as address:
        prison = Prison(tmp_path, address, reached)
        try:
            yield prison
        finally:
            prison.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints how long each way of ending took until nothing lived."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == TOOK:
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")
