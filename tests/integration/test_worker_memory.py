"""An idle worker costs little more than gRPC does: it loads only what it uses."""

from fakes_worker import WorkerProcess

# What sessions, other runners, terminals and clients need, and what their libraries would bring along.
# (An import that was refused is listed too: hence a part of rich and of greenlet.)
UNWANTED = {
    *("rich.console", "greenlet._greenlet", "yaml", "typer", "textual", "apprise", "opentelemetry"),
    *("amplifier_core", "_decimal", "unicodedata", "importlib.resources", "importlib.metadata"),
    *("google.protobuf.json_format", "hashlib", "swarm_worker.attempt", "swarm_worker.evidence"),
    *("shutil", "tempfile", "bz2", "lzma", "ctypes", "swarm_worker.guards", "swarm_worker.process"),
    *("grpc_status", "google.rpc", "swarm_worker.events", "swarm_worker.runners.reading"),
    *("swarm_worker.runners.agent", "swarm_worker.runners.cli", "swarm_worker.preflight.credentials"),
    *("swarm_worker.model", "swarm_worker.convert", "random"),
}


async def test_an_idle_worker_has_not_loaded_what_only_some_sessions_need(worker: WorkerProcess) -> None:
    worker.start(within=("env", "PYTHONPROFILEIMPORTTIME=1"))
    await worker.until(lambda: "ready" in worker.out, what="it is ready")

    lines = (line.rpartition("|") for line in worker.err.splitlines() if line.startswith("import time:"))
    loaded = {name.strip() for _, _, name in lines}

    assert "grpc.aio" in loaded
    assert loaded & UNWANTED == set()
