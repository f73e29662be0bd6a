"""Git for clones and landings, each run under a guard with the containment of sessions; see `GitRunner`."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.guarded_program import run_program
from swarm_worker.supervision.model import EndCause, Launch
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.workspace.git_runner import GitOutput

# More than any command that the library starts prints: the longest is the list of the files of a commit.
STDOUT_BYTES: Final = 256 * 1024 * 1024
# The code of a git that was not started, or whose end nobody saw.
NOT_ENDED: Final = -1


class _Capture:
    """The standard output, of which nothing is kept beyond the limit."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._room = STDOUT_BYTES

    @property
    def cut(self) -> bool:
        return self._room < 0

    def append(self, chunk: bytes) -> None:
        self._room -= len(chunk)
        if self._room >= 0:
            self.pieces.append(chunk)


@dataclass(frozen=True, slots=True)
class GuardedGit:
    """A way to run git that ends with its attempt: by an order, by the fence, or with the worker."""

    fence: Fence
    stop: Stop
    # Returns the path of the next guard's lock, which no other guard has.
    next_lock: Callable[[], Path]
    # Variables by which the guard, and a later start of the worker, find processes that have escaped.
    markers: Mapping[str, str]

    async def __call__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> GitOutput:
        whole = {**(os.environ if env is None else env), **self.markers}
        launch = Launch(("git", *arguments), cwd, whole, self.next_lock(), stdin=stdin or None)
        output = _Capture()
        end, stderr = await run_program(
            launch, output.append, timeout_s=timeout_s, fence=self.fence, stop=self.stop
        )
        if end.exit_code is None or end.cause is not EndCause.EXIT:
            return GitOutput(NOT_ENDED, b"", end.error or f"git was ended ({end.cause})")
        if output.cut:
            return GitOutput(NOT_ENDED, b"", f"git printed more than {STDOUT_BYTES:,} bytes")
        return GitOutput(end.exit_code, b"".join(output.pieces), stderr)
