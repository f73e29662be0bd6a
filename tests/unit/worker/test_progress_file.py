"""A program may report its progress in a file, and may be silent for longer at its start."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop


@dataclass
class Output:
    """A sink whose stall limit is three times as long until the progress file has a line `begun`."""

    progressed: bytearray = field(default_factory=bytearray)

    @property
    def stall_factor(self) -> float:
        return 1.0 if b"begun" in self.progressed else 3.0

    def stdout(self, chunk: bytes) -> None:
        """Drops the output."""

    stderr = stdout

    def progress(self, chunk: bytes) -> None:
        self.progressed += chunk


async def _run(folder: Path, script: str, output: Output, *, stall_s: float) -> RunEnd:
    fence = Fence()
    fence.set_stop_after(60, since=now_s())
    progress_file = folder / "events.jsonl"
    launch = Launch(
        ("/bin/sh", "-c", script),
        folder,
        {"PATH": os.defpath},
        folder / "session.lock",
        progress_file=progress_file,
    )
    limits = RunLimits(30, stall_s, 0.2)
    return await run_guarded(launch, limits=limits, fence=fence, stop=Stop(grace_s=0.2), sink=output)


async def test_a_progress_file_is_read_to_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("of before\n", encoding="ascii")
    output = Output()

    ended = await _run(tmp_path, "echo one >> events.jsonl; echo last >> events.jsonl", output, stall_s=0)

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 0)
    assert bytes(output.progressed) == b"one\nlast\n"


async def test_a_program_without_stdin_reads_nothing(tmp_path: Path) -> None:
    ended = await _run(tmp_path, 'test "$(readlink /proc/$$/fd/0)" = /dev/null', Output(), stall_s=0)

    assert ended.exit_code == 0


@pytest.mark.slow
async def test_the_stall_limit_is_longer_until_a_program_has_begun(tmp_path: Path) -> None:
    silent = await _run(tmp_path, "sleep 600", Output(), stall_s=0.5)
    assert (silent.cause, silent.error) == (EndCause.STALL, "silent for 1.5 s")

    begun = await _run(tmp_path, "echo begun >> events.jsonl; sleep 600", Output(), stall_s=0.5)
    assert (begun.cause, begun.error) == (EndCause.STALL, "silent for 0.5 s")
