"""Fixtures of the acceptance tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs import Stage, stage


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Stage]:
    """Provides a folder in which real programs run."""
    with stage(tmp_path) as found:
        yield found
