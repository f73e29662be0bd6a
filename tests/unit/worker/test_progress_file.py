"""A program and its children may report their progress in files, and may be silent for longer at the start."""

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
    """A sink whose stall limit is three times as long until a progress file has a line `begun`.

    A line `follow NAME` names the file of a child.
    """

    progress_files: list[Path]
    progressed: bytearray = field(default_factory=bytearray)
    children: bytearray = field(default_factory=bytearray)

    @property
    def stall_factor(self) -> float:
        return 1.0 if b"begun" in self.progressed else 3.0

    def stdout(self, chunk: bytes) -> None:
        """Drops the output."""

    stderr = stdout

    def progress(self, chunk: bytes, file: Path) -> None:
        if file is not self.progress_files[0]:
            self.children += chunk
            return
        self.progressed += chunk
        named = [line.split()[1] for line in chunk.decode().splitlines() if line.startswith("follow ")]
        self.progress_files += [file.with_name(name) for name in named]


def _output(folder: Path) -> Output:
    return Output([folder / "events.jsonl"])


async def _run(folder: Path, script: str, output: Output, *, stall_s: float) -> RunEnd:
    fence = Fence()
    fence.set_stop_after(60, since=now_s())
    launch = Launch(
        ("/bin/sh", "-c", script),
        folder,
        {"PATH": os.defpath},
        folder / "session.lock",
    )
    limits = RunLimits(30, stall_s, 0.2)
    return await run_guarded(
        launch, limits=limits, fence=fence, stop=Stop(grace_s=0.2), sink=output, progress=output
    )


async def test_a_progress_file_is_read_to_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("of before\n", encoding="ascii")
    output = _output(tmp_path)

    ended = await _run(tmp_path, "echo one >> events.jsonl; echo last >> events.jsonl", output, stall_s=0)

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 0)
    assert bytes(output.progressed) == b"one\nlast\n"


async def test_the_files_of_children_are_read_from_their_start(tmp_path: Path) -> None:
    (tmp_path / "earlier").write_text("of before\n", encoding="ascii")
    output = _output(tmp_path)
    output.progress_files.append(tmp_path / "earlier")
    script = "echo one >> child; echo more >> earlier; echo follow child >> events.jsonl; echo two >> child"

    await _run(tmp_path, script, output, stall_s=0)

    assert sorted(output.children.decode().split()) == ["more", "one", "two"]


@pytest.mark.slow
async def test_a_program_whose_child_works_is_not_silent(tmp_path: Path) -> None:
    script = (
        "echo begun >> events.jsonl; echo follow child >> events.jsonl;"
        " for word in a b c d e f g h i j; do echo $word >> child; sleep 0.25; done"
    )

    ended = await _run(tmp_path, script, _output(tmp_path), stall_s=1.5)

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 0)


async def test_a_program_without_stdin_reads_nothing(tmp_path: Path) -> None:
    ended = await _run(tmp_path, 'test "$(readlink /proc/$$/fd/0)" = /dev/null', _output(tmp_path), stall_s=0)

    assert ended.exit_code == 0


@pytest.mark.slow
async def test_the_stall_limit_is_longer_until_a_program_has_begun(tmp_path: Path) -> None:
    silent = await _run(tmp_path, "sleep 600", _output(tmp_path), stall_s=0.5)
    assert (silent.cause, silent.error) == (EndCause.STALL, "silent for 1.5 s")

    begun = await _run(tmp_path, "echo begun >> events.jsonl; sleep 600", _output(tmp_path), stall_s=0.5)
    assert (begun.cause, begun.error) == (EndCause.STALL, "silent for 0.5 s")
