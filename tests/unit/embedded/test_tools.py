"""The tools stay in the work folder, and a command's time, output and processes are bounded."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm_worker.agent_library import shell
from swarm_worker.embedded.bash import Bash
from swarm_worker.embedded.files import READ_LIMIT_BYTES, ReadFile, WriteFile
from swarm_worker.embedded.paths import PathEscape, resolve_inside

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


async def test_a_written_file_is_read_back(root: Path) -> None:
    first = await WriteFile(root).execute({"path": "a/b.txt", "content": "grün\n"})
    second = await WriteFile(root).execute({"path": "a/b.txt", "content": "blau\n"})

    assert first.output == {"path": "a/b.txt", "bytes": 6, "created": True}
    assert second.output == {"path": "a/b.txt", "bytes": 5, "created": False}
    assert (await ReadFile(root).execute({"path": "a/b.txt"})).output == "blau\n"


async def test_a_folder_is_listed(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "one.txt").touch()

    assert (await ReadFile(root).execute({"path": "."})).output == "one.txt\nsub/"


async def test_a_large_file_is_cut_and_marked(root: Path) -> None:
    (root / "large").write_bytes(b"x" * (READ_LIMIT_BYTES + 1))

    text = (await ReadFile(root).execute({"path": "large"})).output

    assert text.startswith("x" * READ_LIMIT_BYTES)
    assert text.endswith(f"… cut at {READ_LIMIT_BYTES} bytes")


@pytest.mark.parametrize("path", ["../out.txt", "/etc/hostname", "a/../../out.txt", "", "a\0b"])
async def test_a_path_that_leads_out_is_refused(root: Path, path: str) -> None:
    written = await WriteFile(root).execute({"path": path, "content": "x"})
    read = await ReadFile(root).execute({"path": path})

    assert not written.success
    assert not read.success
    assert not (root.parent / "out.txt").exists()


async def test_an_absolute_path_inside_is_allowed(root: Path) -> None:
    assert (await WriteFile(root).execute({"path": str(root / "in.txt"), "content": "x"})).success


async def test_a_link_to_a_file_outside_is_neither_read_nor_written(root: Path) -> None:
    secret = root.parent / "secret.txt"
    secret.write_text("secret")
    (root / "link.txt").symlink_to(secret)

    written = await WriteFile(root).execute({"path": "link.txt", "content": "x"})
    read = await ReadFile(root).execute({"path": "link.txt"})

    assert "leads out of the work folder" in written.error["message"]
    assert "secret" not in str(read.output)
    assert secret.read_text() == "secret"


async def test_a_linked_folder_outside_takes_no_file(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "door").symlink_to(outside)

    assert not (await WriteFile(root).execute({"path": "door/x.txt", "content": "x"})).success
    assert list(outside.iterdir()) == []


async def test_a_dangling_link_outside_makes_no_file(root: Path) -> None:
    (root / "link.txt").symlink_to(root.parent / "new.txt")

    assert not (await WriteFile(root).execute({"path": "link.txt", "content": "x"})).success
    assert not (root.parent / "new.txt").exists()


def test_a_loop_of_links_is_refused(root: Path) -> None:
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")

    try:
        place = resolve_inside(root, "a/x")
    except PathEscape:
        return
    assert place.is_relative_to(root)  # Python 3.13 resolves as far as it can; the opening fails


async def test_a_fifo_is_refused_instead_of_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe")

    read = await ReadFile(root).execute({"path": "pipe"})
    written = await WriteFile(root).execute({"path": "pipe", "content": "x"})

    assert read.error == {"message": "'pipe' is not a regular file"}
    assert not written.success


async def test_a_missing_file_is_named_without_the_folder_it_is_in(root: Path) -> None:
    result = await ReadFile(root).execute({"path": "none.txt"})

    assert result.error == {"message": "none.txt: No such file or directory"}


async def test_missing_arguments_are_refused(root: Path) -> None:
    assert not (await ReadFile(root).execute({})).success
    assert not (await WriteFile(root).execute({"path": "x"})).success
    assert not (await Bash(root).execute({})).success
    assert (await ReadFile(root).execute({"path": "."})).output == ""


async def test_a_command_runs_in_the_work_folder(root: Path) -> None:
    result = await Bash(root).execute({"command": "pwd; echo talk >&2; cat"})

    assert result.success
    assert result.output == {"exit_code": 0, "output": f"{root}\ntalk\n"}


async def test_a_failing_command_reports_exit_code_and_output(root: Path) -> None:
    result = await Bash(root).execute({"command": "echo broken; exit 3"})

    assert not result.success
    assert result.error == {"message": "exit 3: broken"}
    assert result.output == {"exit_code": 3, "output": "broken\n"}


async def test_the_first_and_last_part_of_long_output_are_kept(root: Path) -> None:
    result = await Bash(root).execute({"command": "echo first; seq 100000; echo last"})

    text = result.output["output"]
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    assert "bytes left out" in text
    assert len(text) < 2 * shell.PART_BYTES + 100


async def test_a_command_that_runs_too_long_is_killed(root: Path) -> None:
    result = await Bash(root).execute({"command": "echo begun; sleep 600", "timeout_s": "0.2"})

    assert result.error == {"message": "not finished after 0.2 s: begun"}


@pytest.mark.parametrize("timeout_s", ["soon", "0", "-1", "inf", "nan", "4000"])
async def test_an_invalid_timeout_is_refused(root: Path, timeout_s: str) -> None:
    result = await Bash(root).execute({"command": "touch ran", "timeout_s": timeout_s})

    assert "timeout" in result.error["message"]
    assert not (root / "ran").exists()


async def test_background_processes_of_a_command_are_killed_with_it(root: Path, until: Until) -> None:
    await Bash(root).execute({"command": "sleep 600 & echo $! > pid"})

    pid = int((root / "pid").read_text())
    await asyncio.to_thread(until, lambda: not runs(pid))


async def test_a_cancelled_command_is_killed_with_its_children(root: Path, until: Until) -> None:
    command = "sleep 600 & echo $! > child; mv child pid; trap '' TERM; while :; do sleep 1; done"
    call = asyncio.ensure_future(Bash(root).execute({"command": command}))
    await asyncio.to_thread(until, (root / "pid").exists)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    pid = int((root / "pid").read_text())
    await asyncio.to_thread(until, lambda: not runs(pid))


async def test_a_process_that_left_the_group_does_not_hold_up_the_call(root: Path) -> None:
    result = await Bash(root).execute({"command": "setsid sleep 5 & echo $! > pid; echo done"})

    assert result.output == {"exit_code": 0, "output": "done\n"}
    os.kill(int((root / "pid").read_text()), 9)


def runs(pid: int) -> bool:
    """Returns whether the process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
