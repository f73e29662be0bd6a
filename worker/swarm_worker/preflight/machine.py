"""What every runner needs of the machine: room, a folder to work in, and process trees that can be ended."""

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from swarm_worker.fence import Fence, now_s
from swarm_worker.model import StopOrder
from swarm_worker.preflight.probe import Probe
from swarm_worker.process import Ended, Launch, Limits, run_guarded
from swarm_worker.stop import Stop

ROOM_BYTES: Final = 512 * 1024**2
SCARCE_BYTES: Final = 4 * 1024**3
TREE_S: Final = 20.0
# One child ignores SIGTERM, one is left by its parent: both have to be gone in the end.
TREE: Final = '(trap "" TERM; sleep 600 & wait) & (sleep 600 &) ; echo up; wait'


def disk(place: Path) -> Probe:
    """Room for logs, prompts and what sessions write."""
    free = shutil.disk_usage(place).free
    text = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < ROOM_BYTES:
        return Probe("disk", text, ok=False, hint="free some, or work elsewhere")
    return Probe("disk", text, warning=free < SCARCE_BYTES)


def root_is_writable(root: Path) -> Probe:
    """By writing: permissions do not tell of a read-only mount."""
    try:
        with TemporaryDirectory(prefix=".swarm-check-", dir=root):
            pass
    except OSError as error:
        text = f"{root} can't be written: {error.strerror}"
        return Probe("project root", text, ok=False, hint="give another --project-root")
    return Probe("project root", f"{root} can be written")


def git(env: Mapping[str, str]) -> Probe:
    """Without it all goes on, but validators are not shown what changed."""
    found = shutil.which("git", path=env.get("PATH", ""))
    return Probe("git", found or "not on PATH: validators won't see what changed", warning=found is None)


def tree() -> Probe:
    """Starts a small process tree under a guard and ends it, as a kill would."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="swarm-check-") as folder:
        ended = asyncio.run(_tree(Path(folder)))
    receipt = ended.receipt
    took = f"{receipt.processes_found} processes ended in {time.monotonic() - began:.1f} s"
    if ended.error or receipt.survivors or receipt.processes_found < 2:
        text = ended.error or f"{took}, {receipt.survivors} survived"
        return Probe(
            "kill", text, ok=False, hint="run the worker on Linux, outside of what forbids prctl and /proc"
        )
    return Probe("kill", took)


class _Sink:
    """Orders the end as soon as the tree stands."""

    patience = 1.0

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def stdout(self, chunk: bytes) -> None:
        self._stop.give(StopOrder("the check", graceful=True))

    def stderr(self, chunk: bytes) -> None:
        """Nothing to be read."""

    feed = stderr


async def _tree(folder: Path) -> Ended:
    fence, stop = Fence(), Stop(grace_s=0.5)
    fence.begin(stop_after_s=TREE_S, since=now_s())
    env = {"PATH": os.environ.get("PATH", os.defpath)}
    launch = Launch(("/bin/sh", "-c", TREE), cwd=folder, env=env, lock=folder / "guard.lock")
    limits = Limits(TREE_S, 0, 0.5)
    ended = await run_guarded(launch, limits=limits, fence=fence, stop=stop, sink=_Sink(stop))
    return ended if stop.order else replace(ended, error=ended.error or "the tree did not come up")
