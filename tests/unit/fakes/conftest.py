"""A folder for the tests of the stand-ins; their processes are killed after each test."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.place import Place
from support.standins import install


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    install(tmp_path / "bin")
    found.project.mkdir()
    found.home.mkdir()
    cache = found.home / ".amplifier-agent" / "cache"
    cache.mkdir(parents=True)
    (cache / "prepared").touch()
    found.env = {"PATH": os.environ["PATH"], "HOME": str(found.home)}
    found.env["AMPLIFIER_STANDIN_LEDGER"] = str(found.ledger.path)
    yield found
    for process in found.started:
        process.kill()
        process.communicate()
    for pid in found.ledger.alive():
        os.kill(pid, signal.SIGKILL)
