"""What many tests start from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine import Bench, bench


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[Bench]:
    """A swarm without gRPC, with a clock that the test moves."""
    async with bench(tmp_path / "swarm.db") as found:
        yield found
