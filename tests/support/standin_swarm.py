"""A real worker that drives stand-ins of Amplifier, in front of a fake server."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.swarm_server import FakeSwarm, WorkerProcess
from support.programs import LIBRARY_PLACES
from support.standins import install, install_library

AGENT, CLI, LIBRARY = "amplifier-agent", "amplifier", "library"


@dataclass
class StandinSwarm:
    """A worker on the stand-ins, in front of a fake server."""

    fake: FakeSwarm
    worker: WorkerProcess
    folder: Path

    def faults(
        self,
        *,
        builder: tuple[str, ...] = (),
        validator: tuple[str, ...] = (),
        trial: tuple[str, ...] = (),
        **more: object,
    ) -> None:
        runs = {"t1/builder": builder, "t1/validator": validator, "t1/trial": trial}
        (self.folder / "faults.json").write_text(json.dumps({"runs": runs, **more}))

    def start(self, runner: str, *flags: str) -> None:
        """Starts the worker; LIBRARY is the runner amplifier-agent over the library."""
        self.worker.start(*self.runner(runner), "--pass-env", "ANTHROPIC_API_KEY", *flags, validator="unused")

    def runner(self, name: str) -> tuple[str, ...]:
        if name != LIBRARY:
            return ("--runner", name)
        python = install_library(self.folder / "library")
        return ("--runner", AGENT, "--agent-python", str(python))

    async def outcome(self, sent: wire.Claim) -> task_pb2.Outcome:
        await self.worker.until(lambda: self.fake.registered, what="it registers")
        self.fake.send(claims=[sent])
        await self.worker.until(lambda: sent.lease_id in self.fake.outcomes, what="an outcome")
        return self.fake.outcomes[sent.lease_id]

    @property
    def ledger(self) -> list[dict[str, Any]]:
        """The ledger of the stand-ins."""
        path = self.folder / "ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def used(self) -> tuple[int, int]:
        notes = [note for note in self.ledger if note["event"] == "usage"]
        return sum(note["input"] for note in notes), sum(note["output"] for note in notes)

    def recorded(self) -> tuple[int, int]:
        ends = [record.end.usage for record in self.fake.ends]
        return sum(usage.input_tokens for usage in ends), sum(usage.output_tokens for usage in ends)

    @property
    def files(self) -> list[str]:
        """The names of the files in the project."""
        root = self.worker.project
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    @property
    def sessions(self) -> list[str]:
        return [record.session_id for record in self.fake.starts]


def standin_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets the environment of a worker that finds the stand-ins, and nothing of this machine's own Amplifier."""
    programs = install(folder / "bin")
    (folder / "home").mkdir()
    for name in [name for name in os.environ if name.startswith(("AMPLIFIER_", "SWARM", *LIBRARY_PLACES))]:
        monkeypatch.delenv(name)
    for name, value in {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "ANTHROPIC_API_KEY": "none",
        "AMPLIFIER_STANDIN_FAULTS": str(folder / "faults.json"),
        "AMPLIFIER_STANDIN_LEDGER": str(folder / "ledger.jsonl"),
    }.items():
        monkeypatch.setenv(name, value)
