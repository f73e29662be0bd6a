"""Programs that probes run under a guard, as sessions are; only `--check` runs them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, OutputSink, ProgressSink, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.git import Git, NoTree, ProgramEnd, WorkTree

GRACE_S = 0.5
ERROR_BYTES = 16 * 1024


def read_work_tree(root: Path, env: Mapping[str, str], *, timeout_s: float) -> WorkTree | NoTree:
    """Reads the work tree in the same way as an attempt does.

    Raises:
        OSError: there is no writable temporary folder.
    """
    with TemporaryDirectory(prefix="swarm-check-") as folder:
        git = Git(root, _GuardedGit(root, Path(folder)), timeout_s, env)
        return asyncio.run(git.work_tree())


async def run_once_guarded(
    launch: Launch, *, timeout_s: float, stop: Stop, sink: OutputSink, progress: ProgressSink | None = None
) -> RunEnd:
    """Runs one program under a guard of its own, without a server."""
    fence = Fence()
    fence.set_stop_after(timeout_s + 2 * GRACE_S, since=now_s())
    return await run_guarded(
        launch,
        limits=RunLimits(timeout_s, 0, GRACE_S),
        fence=fence,
        stop=stop,
        sink=sink,
        progress=progress,
    )


class _GuardedGit:
    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        timeout_s: float,
        stdout: Callable[[bytes], None],
    ) -> ProgramEnd:
        sink = _GitSink(stdout)
        launch = Launch(argv, self._root, env, self._folder / "guard.lock")
        end = await run_once_guarded(launch, timeout_s=timeout_s, stop=Stop(grace_s=GRACE_S), sink=sink)
        error = (
            "" if end.cause is EndCause.EXIT else end.error or f"git did not finish within {timeout_s:g} s"
        )
        return ProgramEnd(error, bytes(sink.errors).decode(errors="replace"))


class _GitSink:
    stall_factor = 1.0

    def __init__(self, stdout: Callable[[bytes], None]) -> None:
        self.stdout = stdout
        self.errors = bytearray()

    def stderr(self, chunk: bytes) -> None:
        self.errors += chunk[: ERROR_BYTES - len(self.errors)]
