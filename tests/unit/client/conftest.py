"""A command line in this process, and a server with canned answers."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Task
from fakes.operator_server import WORKER_TOKEN, FakeOperatorServer
from support.operator import TOKEN, FakeOperator, serving
from swarmctl import main


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a command line."""

    code: int
    out: str
    err: str


Ctl = Callable[..., Result]
VARIABLES = (
    *("SWARM_SERVER", "SWARM_TOKEN_FILE", "SWARM_TLS_CA", "SWARM_TLS_CERT", "SWARM_TLS_KEY"),
    "SWARM_TLS_CA_FINGERPRINT",
    *("SWARM_SESSION_ID", "NO_COLOR", "FORCE_COLOR"),
)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hides the machine's own swarm from the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWARM_TOKEN", TOKEN)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def operator() -> Iterator[FakeOperator]:
    """Starts a server that returns the set answers."""
    with serving(FakeOperator()) as found:
        yield found


@pytest.fixture
def alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ctl:
    """Runs swarmctl where no server is needed; workers of `run` have a runner, since no Amplifier is installed."""
    monkeypatch.setenv("SWARM_WORKER_RUNNER", "command")

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


def in_every_form(ctl: Ctl, *arguments: str) -> tuple[Any, str]:
    """Returns the document, the same in JSON and YAML, and the table."""
    from_json = json.loads(ctl(*arguments, "-o", "json").out)
    from_yaml = yaml.safe_load(ctl(*arguments, "-o", "yaml").out)
    assert from_json == from_yaml
    result = ctl(*arguments)
    assert result.code == 0
    return from_json, result.out


@pytest.fixture
def fake(
    operator: FakeOperator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeOperatorServer]:
    """Lets `run` start fake programs on a plan of two tasks."""
    made = FakeOperatorServer(tmp_path, operator, tasks=[Task(task_id="a"), Task(task_id="b")])
    made.write()
    monkeypatch.setattr("swarmctl.commands.run.installed", made.programs)
    monkeypatch.setenv("SWARM_WORKER_RUNNER", "command")
    (tmp_path / "plan.yaml").write_text("tasks:\n  - id: a\n  - id: b\n")
    operator.answers |= {
        "GetSwarm": lambda _: wire.GetSwarmResponse(swarm=made.swarm()),
        "ListTasks": made.list_tasks,
        "ListTokens": wire.ListTokensResponse(),
        "CreateToken": wire.CreateTokenResponse(token=WORKER_TOKEN),
        "AddTasks": wire.AddTasksResponse(added=2),
        "ListWorkers": lambda _: wire.ListWorkersResponse(workers=made.workers),
        "WatchEvents": made.complete,
        "PauseSwarm": wire.PauseSwarmResponse(),
        "EmergencyStop": wire.EmergencyStopResponse(),
        "ResumeSwarm": wire.ResumeSwarmResponse(requeued=["a"]),
    }
    yield made
    made.ended.set()
    assert made.left() == []
