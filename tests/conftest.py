"""Fixtures that many suites share."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fakes.process_tree import Ledger, end_all
from support.engine import EngineHarness, engine_harness
from support.server import Server, server
from support.web import Web, web

MEMORY, ROOM_BYTES = Path("/dev/shm"), 4_000_000_000


def pytest_configure() -> None:
    """A shell has its background jobs ignore SIGINT, and all that the tests start would inherit that."""
    _keep_folders_in_memory()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the slow tests first, so that no run ends with one long test and idle cores."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _keep_folders_in_memory() -> None:
    """Places `tmp_path` in memory, unless the user has chosen a place: most tests wait for a disk otherwise."""
    if not MEMORY.is_dir() or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(autouse=True, scope="session")
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps all state that programs place by themselves out of this user's home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))
        yield


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The processes of sessions of this test. None outlives a test that fails, since it could stop another's guard."""
    yield Ledger(tmp_path)
    end_all(tmp_path, empty_looks=3)


@pytest.fixture
async def swarm(tmp_path: Path) -> AsyncIterator[EngineHarness]:
    """A swarm without gRPC, with a clock that the test moves."""
    async with engine_harness(tmp_path / "swarm.db") as found:
        yield found


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Server]:
    """A real server in this process."""
    async with server(tmp_path) as found:
        yield found


@pytest.fixture
async def dashboard(tmp_path: Path) -> AsyncIterator[Web]:
    """A real server in this process, with its dashboard on a free port."""
    async with web(tmp_path) as found:
        yield found
