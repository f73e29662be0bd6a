"""The frame of a program: closed streams, exit codes, and one line for every expected end."""

import _thread
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.program import check_threads, check_working_directory, exit_for_limit


def _run(body: str, redirections: str = "", *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a program whose body is the given code, started by a shell with redirections."""
    code = textwrap.dedent(
        """
        import os, sys
        from amplifier_swarm import logs, program, standard_streams
        from amplifier_swarm.exits import ExitCode, ProgramExit
        def body():
            {body}
            return 0
        program.run_main("prog", body)
        """
    ).format(body=body)
    command = f'exec "$0" -c "$1" {redirections}'
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, code],
        capture_output=True, text=True, check=False, timeout=60, cwd=cwd,
    )  # fmt: skip


def test_an_expected_end_is_one_line_and_its_code() -> None:
    ended = _run('raise ProgramExit(ExitCode.USAGE, "no", hint="do so")')

    assert (ended.returncode, ended.stderr, ended.stdout) == (ExitCode.USAGE, "prog: no; do so\n", "")


@pytest.mark.parametrize(
    "redirections", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "> /dev/full", "> /dev/full 2> /dev/full"]
)
def test_streams_that_are_closed_or_full_change_no_exit_code(redirections: str) -> None:
    said = 'standard_streams.print_line("ready"); standard_streams.print_error("careful")'

    assert _run(said, redirections).returncode == 0
    failing = _run(f'{said}; raise ProgramExit(ExitCode.CONFLICT, "no")', redirections)
    assert failing.returncode == ExitCode.CONFLICT
    assert "Traceback" not in failing.stderr


def test_a_reader_that_leaves_changes_no_exit_code() -> None:
    code = textwrap.dedent(
        """
        from amplifier_swarm import program, standard_streams
        def body():
            for _ in range(1000):
                standard_streams.print_line("x" * 1000)
            return 3
        program.run_main("prog", body)
        """
    )
    ended = subprocess.run(
        ["/bin/bash", "-c", '"$0" -c "$1" | head -n 1 > /dev/null; echo ${PIPESTATUS[0]}', sys.executable, code],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (ended.stdout, ended.stderr) == ("3\n", "")


def test_a_closed_stream_s_number_is_never_a_file_of_the_program(tmp_path: Path) -> None:
    body = 'open("data", "w").write("kept"); standard_streams.print_error("noise")'

    _run(body, "2>&-", cwd=tmp_path)

    assert (tmp_path / "data").read_text() == "kept"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(24, "Too many open files"), "too many open files; raise the limit: ulimit -n"),
        (RuntimeError("can't start new thread"), "no more processes or threads; raise the limit: ulimit -u"),
        (BlockingIOError(11, "Resource temporarily unavailable"), "no more processes or threads; "),
        (MemoryError(), "no more memory; "),
    ],
)
def test_a_limit_of_the_machine_is_named_with_its_setting(error: Exception, line: str) -> None:
    end = exit_for_limit(error)

    assert end is not None
    assert line in end.line("prog")


def test_a_system_without_threads_is_refused_before_grpc_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Callable[[], None]] = []
    start = _thread.start_new_thread

    def limited(function: Callable[[], None], arguments: tuple[()]) -> int:
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        started.append(function)
        return start(function, arguments)

    monkeypatch.setattr(_thread, "start_new_thread", limited)

    with pytest.raises(ProgramExit, match="no more processes or threads"):
        check_threads(4)
    started.clear()
    check_threads(3)


def test_a_fault_of_the_program_is_not_taken_for_a_limit() -> None:
    assert exit_for_limit(RuntimeError("broken")) is None
    assert exit_for_limit(FileNotFoundError(2, "No such file")) is None


def test_a_deleted_working_directory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(ProgramExit, match="the working directory can't be used") as end:
        check_working_directory()
    os.chdir(tmp_path)
    assert end.value.code is ExitCode.USAGE
