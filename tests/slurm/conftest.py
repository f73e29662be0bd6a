"""Fixtures of the tests of Slurm."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm.cluster import Cluster, cluster, missing
from support.programs import Stage, stage


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """A cluster, for all tests; munged demands that nobody else can write to the folders above its socket."""
    if reason := missing():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="swarm-slurm-"))
    folder.chmod(0o755)
    try:
        with cluster(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def swarm(slurm: Cluster, tmp_path: Path) -> Iterator[Stage]:
    """A folder with a server."""
    with stage(tmp_path) as found:
        found.swarmd("--dashboard", "off", "--heartbeat-interval", "0.5", "--retry-backoff", "0.1")
        yield found
