"""Programs that probes run under a guard, as sessions are; only `--check` runs them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from swarm_worker.execution.attempt_programs import program_end
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_program import GRACE_S, run_program
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import Launch, OutputSink, ProgressSink, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.git import Git, NoTree, ProgramEnd, WorkTree


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
    return await run_guarded(
        launch,
        limits=RunLimits(timeout_s, 0, GRACE_S),
        fence=_fence(timeout_s),
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
        launch = Launch(argv, self._root, env, self._folder / "guard.lock")
        fence, stop = _fence(timeout_s), Stop(grace_s=GRACE_S)
        ran = await run_program(launch, stdout, timeout_s=timeout_s, fence=fence, stop=stop)
        return program_end(ran, timeout_s)


def _fence(timeout_s: float) -> Fence:
    """Returns a fence that stays open until a program has had its time, since no server extends it."""
    fence = Fence()
    fence.set_stop_after(timeout_s + 2 * GRACE_S, since=now_s())
    return fence
