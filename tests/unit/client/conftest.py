"""A command line in this process, and a server with canned answers for it to call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.operator import TOKEN, FakeOperator, serving
from swarmctl import main


@dataclass(frozen=True)
class Result:
    """How a command line ended."""

    code: int
    out: str
    err: str


Ctl = Callable[..., Result]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own swarm gets into a test."""
    for name in ("SWARM_SERVER", "SWARM_TOKEN_FILE", "SWARM_TLS_CA", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWARM_TOKEN", TOKEN)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def operator() -> Iterator[FakeOperator]:
    """A server that answers as told."""
    with serving(FakeOperator()) as found:
        yield found


@pytest.fixture
def alone(capsys: pytest.CaptureFixture[str]) -> Ctl:
    """Runs swarmctl where no server is needed."""

    def run(*arguments: str) -> Result:
        code = main.run(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def ctl(alone: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch) -> Ctl:
    """Runs swarmctl against the fake server."""
    monkeypatch.setenv("SWARM_SERVER", operator.address)
    return alone
