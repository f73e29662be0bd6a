"""A real worker in front of a fake server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fakes.swarm_server import Address, FakeSwarm, WorkerProcess, fake_swarm
from support.standin_swarm import StandinSwarm, standin_environment


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    """The address of the fake server."""
    async with fake_swarm() as address:
        yield address


@pytest.fixture
def fake(address: Address) -> FakeSwarm:
    """The fake server."""
    return address.fake


@pytest.fixture
def worker(tmp_path: Path, address: Address) -> Iterator[WorkerProcess]:
    """A worker that the test starts; killed at the end of the test."""
    worker = WorkerProcess(tmp_path, address.text)
    yield worker
    worker.end()


@pytest.fixture
def swarm(tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandinSwarm]:
    """A worker on the stand-ins that the test starts; killed at the end of the test."""
    standin_environment(tmp_path, monkeypatch)
    swarm = StandinSwarm(address.fake, WorkerProcess(tmp_path, address.text), tmp_path)
    swarm.faults()
    yield swarm
    swarm.worker.end()
