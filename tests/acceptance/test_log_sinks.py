"""Streams that can't be written: full, without a reader, or with a reader that does not read. Work goes on."""

import fcntl
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.plans import write_plan
from support.programs import QUICK, Stage
from support.waiting import until

pytestmark = pytest.mark.slow
COMMAND = ("--runner", "command", "--no-validation", "--builder-command")
# More tasks than a pipe of one page holds lines of.
TASKS = 25
SINKS = ("full", "no reader", "no reading")


@contextmanager
def sink(kind: str) -> Iterator[int]:
    """Opens a descriptor that takes no lines, or only a few."""
    if kind == "full":
        fds = [os.open("/dev/full", os.O_WRONLY)]
    else:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        fds = [writer, reader]
        if kind == "no reader":
            os.close(fds.pop())
    try:
        yield fds[0]
    finally:
        for fd in fds:
            os.close(fd)


def _builder(swarm: Stage, body: str = "") -> str:
    swarm.folder.joinpath("build.sh").write_text(f"{body}\necho '{json.dumps({'status': 'completed'})}'\n")
    return f"/bin/sh {swarm.folder / 'build.sh'}"


def _free_address() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("kind", SINKS)
def test_a_worker_whose_streams_take_no_lines_completes_every_task(swarm: Stage, kind: str) -> None:
    swarm.swarmd(*QUICK)
    write_plan(swarm.folder / "plan.yaml", {f"t{number}": [] for number in range(TASKS)})
    swarm.ctl("import", "plan.yaml")
    swarm.project.mkdir()

    with sink(kind) as fd:
        worker = swarm.start(
            "w", "--server", swarm.address, "--project-root", str(swarm.project), "--exit-when-done",
            *COMMAND, _builder(swarm), program="swarm-worker", stdout=fd, stderr=fd,
        )  # fmt: skip
        assert worker.process.wait(60) == 0

    assert set(swarm.statuses().values()) == {"completed"}


@pytest.mark.parametrize("kind", SINKS)
def test_a_worker_whose_log_takes_no_lines_obeys_signals_and_the_stop_file(swarm: Stage, kind: str) -> None:
    swarm.swarmd(*QUICK)
    write_plan(swarm.folder / "plan.yaml", {"a": []})
    swarm.ctl("import", "plan.yaml")
    swarm.project.mkdir()

    with sink(kind) as fd:
        if kind == "no reading":
            os.write(fd, b"x" * 4096)  # so that the first line blocks
        worker = swarm.start(
            "w", "--server", swarm.address, "--project-root", str(swarm.project), "--state-dir", "w",
            "--name", "w", "--kill-grace", "0", *COMMAND, _builder(swarm, "sleep 600"),
            program="swarm-worker", stderr=fd,
        )  # fmt: skip
        swarm.until_status("a", "in_progress")
        (swarm.folder / "w" / "EMERGENCY_STOP").touch()
        until(lambda: swarm.statuses()["a"] != "in_progress", "the file has ended the session")
        assert worker.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("kind", SINKS)
def test_a_server_whose_streams_take_no_lines_serves_and_obeys_each_stop_file(
    swarm: Stage, kind: str
) -> None:
    swarm.address = _free_address()
    state = swarm.state

    with sink(kind) as fd:
        if kind == "no reading":
            os.write(fd, b"x" * 4096)
        server = swarm.start(
            "swarmd", "--listen", swarm.address, *QUICK, program="swarmd", stdout=fd, stderr=fd
        )
        until(lambda: _serves(swarm, state), "the server answers")
        write_plan(swarm.folder / "plan.yaml", {"a": []})
        swarm.ctl("import", "plan.yaml")
        swarm.worker("w", "--kill-grace", "0", *COMMAND, _builder(swarm, "sleep 600")).ready()
        for _ in range(2):
            swarm.until_status("a", "in_progress")
            (state / "EMERGENCY_STOP").touch()
            until(lambda: swarm.statuses()["a"] != "in_progress", "the stop file is obeyed")
            (state / "EMERGENCY_STOP").unlink()
            swarm.ctl("resume", "--requeue")
        assert server.end(signal.SIGTERM) == 0


def _serves(swarm: Stage, state: Path) -> bool:
    return (state / "token").exists() and swarm.ctl("status", check=False).returncode == 0


@pytest.mark.parametrize("kind", SINKS)
def test_a_run_whose_stderr_takes_no_lines_completes_every_task(swarm: Stage, kind: str) -> None:
    write_plan(swarm.folder / "plan.yaml", {f"t{number}": [] for number in range(3)})
    swarm.project.mkdir()

    with sink(kind) as fd:
        if kind == "no reading":
            os.write(fd, b"x" * 4096)
        run = swarm.start(
            "run", "run", "plan.yaml", "-o", "json", "--project-root", str(swarm.project), "--dashboard", "off",
            *COMMAND, _builder(swarm), program="swarmctl", stderr=fd,
        )  # fmt: skip
        assert run.process.wait(60) == 0

    summary = json.loads(run.out.read_text())
    assert {task["status"] for task in summary["tasks"]} == {"completed"}
