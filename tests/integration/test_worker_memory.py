"""An idle worker costs little more than gRPC: it loads only the modules that it uses."""

from pathlib import Path

import pytest

from fakes.swarm_server import WorkerProcess
from support.standins import install

pytestmark = pytest.mark.slow

# What sessions, other runners, terminals and clients need, and what their libraries would bring along.
# (An import that was refused is listed too: hence a part of rich and of greenlet.)
UNWANTED = {
    *("rich.console", "greenlet._greenlet", "yaml", "typer", "textual", "apprise", "opentelemetry"),
    *("amplifier_core", "_decimal", "unicodedata", "importlib.resources", "importlib.metadata"),
    *(
        "google.protobuf.json_format",
        "hashlib",
        "swarm_worker.execution.attempt",
        "swarm_worker.workspace.changes",
    ),
    *(
        "shutil",
        "tempfile",
        "bz2",
        "lzma",
        "ctypes",
        "swarm_worker.supervision.guard_pool",
        "swarm_worker.supervision.guarded_run",
    ),
    *("grpc_status", "google.rpc", "swarm_worker.output.agent_events", "swarm_worker.runners.reader"),
    *("swarm_worker.domain.model", "swarm_worker.rpc.convert", "random"),
}
RUNNERS = {
    "command": {"swarm_worker.runners.command"},
    "amplifier-agent": {"swarm_worker.runners.agent", "swarm_worker.preflight.agent"},
    "amplifier": {"swarm_worker.runners.cli", "swarm_worker.preflight.cli"},
}


@pytest.mark.parametrize("runner", ["command", "amplifier-agent"])
async def test_an_idle_worker_has_not_loaded_the_modules_of_sessions(
    worker: WorkerProcess, tmp_path: Path, runner: str
) -> None:
    agent = install(tmp_path / "bin") / "amplifier-agent"
    folders = (f"HOME={tmp_path}", f"XDG_CACHE_HOME={tmp_path}", f"AMPLIFIER_AGENT_BIN={agent}")
    within = ("env", "PYTHONPROFILEIMPORTTIME=1", "ANTHROPIC_API_KEY=none", *folders)
    worker.start("--runner", runner, "--pass-env", "ANTHROPIC_API_KEY", within=within)
    await worker.until(lambda: "ready" in worker.out, what="it is ready")

    lines = (line.rpartition("|") for line in worker.err.splitlines() if line.startswith("import time:"))
    loaded = {name.strip() for _, _, name in lines}

    assert "grpc.aio" in loaded
    assert loaded & UNWANTED == set()
    assert loaded & set().union(*RUNNERS.values()) == RUNNERS[runner]
