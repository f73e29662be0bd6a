"""Programs of the worker itself, such as git, each under a guard until it and all that it started have ended."""

from collections.abc import Callable
from typing import Final, NamedTuple

from swarm_worker.output.lines import Tail
from swarm_worker.supervision.fence import Fence
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

GRACE_S: Final = 0.5
STDERR_BYTES: Final = 16 * 1024


class ProgramRun(NamedTuple):
    """The end of a program, and the end of its standard error."""

    end: RunEnd
    stderr: str


class _Sink:
    stall_factor = 1.0

    def __init__(self, stdout: Callable[[bytes], None]) -> None:
        self.stdout = stdout
        self.errors = Tail(STDERR_BYTES)

    def stderr(self, chunk: bytes) -> None:
        self.errors.append(chunk)


async def run_program(
    launch: Launch, stdout: Callable[[bytes], None], *, timeout_s: float, fence: Fence, stop: Stop
) -> ProgramRun:
    """Runs the program to its end, or ends it; `stdout` gets each piece of its output."""
    sink = _Sink(stdout)
    limits = RunLimits(timeout_s, 0, GRACE_S)
    end = await run_guarded(launch, limits=limits, fence=fence, stop=stop, sink=sink)
    return ProgramRun(end, sink.errors.text())
