"""The probe that process trees can be killed on this machine; only `--check` runs it, since it needs a guard."""

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.procfs import blind_spot
from swarm_worker.preflight.guarded import run_once_guarded
from swarm_worker.preflight.probe import Probe
from swarm_worker.supervision.guarded_program import GRACE_S
from swarm_worker.supervision.model import Launch, RunEnd
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import PROC_HINT

TREE_S: Final = 20.0
# One child ignores SIGTERM and one is orphaned: both have to be gone in the end.
TREE_SCRIPT: Final = '(trap "" TERM; sleep 600 & wait) & (sleep 600 &) ; echo up; wait'


def probe_kill() -> Probe:
    """Starts a small process tree under a guard and kills it in the same way as a session."""
    if reason := blind_spot():
        return Probe("kill", f"{reason}, so no end could be proven", ok=False, hint=PROC_HINT)
    began = time.monotonic()
    try:
        with TemporaryDirectory(prefix="swarm-check-") as folder:
            ended = asyncio.run(_run_tree(Path(folder)))
    except OSError as error:
        return Probe("kill", f"not probed: {error}", warning=True, hint="set TMPDIR to a writable folder")
    receipt = ended.receipt
    took = f"{receipt.processes_found} processes ended in {time.monotonic() - began:.1f} s"
    if ended.error or receipt.survivors or receipt.processes_found < 2:
        text = ended.error or f"{took}, {receipt.survivors} survived"
        return Probe(
            "kill", text, ok=False, hint="run the worker on Linux, outside of what forbids prctl and /proc"
        )
    return Probe("kill", took)


class _TreeSink:
    """A sink that gives the stop order as soon as the tree has started."""

    stall_factor = 1.0

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def stdout(self, chunk: bytes) -> None:
        self._stop.request(StopOrder("the check", graceful=True))

    def stderr(self, chunk: bytes) -> None:
        """Ignores the output."""


async def _run_tree(folder: Path) -> RunEnd:
    stop = Stop(grace_s=GRACE_S)
    env = {"PATH": os.environ.get("PATH", os.defpath)}
    launch = Launch(("/bin/sh", "-c", TREE_SCRIPT), cwd=folder, env=env, lock=folder / "guard.lock")
    ended = await run_once_guarded(launch, timeout_s=TREE_S, stop=stop, sink=_TreeSink(stop))
    return ended if stop.order else replace(ended, error=ended.error or "the tree did not come up")
