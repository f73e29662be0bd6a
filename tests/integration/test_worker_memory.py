"""An idle worker costs little more than gRPC does: it loads only what it uses, and keeps nothing of its start."""

import platform
from pathlib import Path

import pytest

from fakes_worker import WorkerProcess
from swarm_worker.heap import give_back

# What sessions, other runners, terminals and clients need, and what their libraries would bring along.
# (An import that was refused is listed too: hence a part of rich and of greenlet.)
UNWANTED = {
    *("rich.console", "greenlet._greenlet", "yaml", "typer", "textual", "apprise", "opentelemetry"),
    *("amplifier_core", "_decimal", "unicodedata", "importlib.resources", "importlib.metadata"),
    *("google.protobuf.json_format",),
}
KIB = 1024


async def test_an_idle_worker_has_not_loaded_what_only_some_sessions_need(worker: WorkerProcess) -> None:
    worker.start(within=("env", "PYTHONPROFILEIMPORTTIME=1"))
    await worker.until(lambda: "ready" in worker.out, what="it is ready")

    lines = (line.rpartition("|") for line in worker.err.splitlines() if line.startswith("import time:"))
    loaded = {name.strip() for _, _, name in lines}

    assert "grpc.aio" in loaded
    assert loaded & UNWANTED == set()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps other things")
def test_what_was_freed_is_given_back_although_something_behind_it_lives() -> None:
    freed = [bytes(50 * KIB) for _ in range(1_000)]
    behind = bytes(50 * KIB)
    full_kib = _rss_kib()
    del freed

    give_back()

    assert full_kib - _rss_kib() > 40 * KIB
    assert behind


def _rss_kib() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
