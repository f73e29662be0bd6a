"""The programs that a measure runs: servers, real or bare, and the programs that put load on them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amplifier_swarm.channel import Endpoint, dial_blocking
from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import operator_service_pb2_grpc, task_pb2
from support.programs import BIN, Program, Stage, environment, stage

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SLOW_US = 5_000
CHUNK = 1_000


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    program: Program
    endpoint: Endpoint

    def cpu_s(self) -> float:
        """Returns the processor time of a process with its threads."""
        return cpu_s(self.program.pid)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Makes a folder for one measure."""
    with tempfile.TemporaryDirectory(prefix="swarm-bench-") as name:
        yield Path(name)


@contextlib.contextmanager
def swarmd(*flags: str, slow_fsync: bool = False) -> Iterator[Running]:
    """Starts a fresh swarmd in a folder of its own; with `slow_fsync` each flush takes 5 ms longer."""
    with folder() as where, stage(where) as found:
        yield start_swarmd(found, *flags, slow_fsync=slow_fsync)


def start_swarmd(found: Stage, *flags: str, slow_fsync: bool = False) -> Running:
    """Starts a swarmd on an existing stage."""
    dashboard = () if "--dashboard" in flags else ("--dashboard", "off")
    argv = ["--listen", found.address or "127.0.0.1:0", *dashboard, *flags]
    if slow_fsync:
        preload = (f"LD_PRELOAD={_shim()}", f"SLOWFSYNC_US={SLOW_US}", str(BIN / "swarmd"))
        program = found.start("swarmd", *preload, *argv, program=shutil.which("env") or "env")
    else:
        program = found.start("swarmd", *argv, program="swarmd")
    found.address = program.ready()["grpc"]
    token = (found.state / "token").read_text().strip()
    return Running(program, Endpoint(found.address, token))


@contextlib.contextmanager
def echo() -> Iterator[Running]:
    """Starts the bare server."""
    with folder() as where, stage(where) as found:
        program = found.start("echo", str(HERE / "echo.py"), program=sys.executable)
        yield Running(program, Endpoint(program.ready()["grpc"], "none"))


def run(program: str, *arguments: object, timeout_s: float = 280) -> Any:
    """Runs one of the programs here to its end; returns the JSON that it prints last."""
    argv = [sys.executable, str(HERE / program), *map(str, arguments)]
    done = subprocess.run(
        argv, env=environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}, capture_output=True,
        text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{program} ended with {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def add_tasks(server: Running, count: int, *, prefix: str = "task") -> None:
    """Gives the server that many independent tasks of a few hundred bytes."""

    def requests() -> Iterator[operator_pb.AddTasksRequest]:
        for begin in range(0, count, CHUNK):
            tasks = [_planned(f"{prefix}-{n:07d}") for n in range(begin, min(count, begin + CHUNK))]
            yield operator_pb.AddTasksRequest(tasks=tasks)

    with dial_blocking(server.endpoint) as channel:
        operator_service_pb2_grpc.OperatorServiceStub(channel).AddTasks(requests(), timeout=280)


def cpu_s(pid: int) -> float:
    """The processor time that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid: int, kind: str = "Rss") -> float:
    """Returns the resident memory of a process; kind `Pss` counts shared pages by their share."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{kind}:"))


def _planned(name: str) -> operator_pb.PlannedTask:
    definition = task_pb2.TaskDefinition(task_id=name, name=name, description="d" * 100)
    return operator_pb.PlannedTask(definition=definition)


def _shim() -> Path:
    """Returns the library that slows fsync; the first call compiles it."""
    RESULTS.mkdir(exist_ok=True)
    library = RESULTS / "slowfsync.so"
    source = HERE / "slowfsync.c"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc") or shutil.which("gcc")
        assert compiler is not None, "a C compiler is needed for the slow disk: apt-get install gcc"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library
