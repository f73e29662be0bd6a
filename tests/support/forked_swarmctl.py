"""Runs of swarmctl without a start of Python: each is a fork of a process that has imported the program.

A run has its own process, environment, folder, streams and exit code. Tests of the start, the signals and the
terminal of the program start `swarmctl` itself.
Performance: 0.03 s of processor time a run; the start of the program takes 0.2 s, and 0.35 s without bytecode.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from swarmctl.cli.registry import COMMANDS
from swarmctl.main import PROGRAM, main

# What the commands import late. A name that no longer exists only makes runs slower.
LATE_IMPORTS = (
    "grpc._channel", "grpc._interceptor", "grpc.experimental.aio", "grpc_status.rpc_status", "importlib.metadata",
    "pydantic.json_schema", "pydantic.plugin._schema_validator", "typer._adapters", "typer.rich_utils", "zoneinfo",
)  # fmt: skip


def run_swarmctl(
    argv: Sequence[str], *, folder: Path, environment: Mapping[str, str], within_s: float
) -> subprocess.CompletedProcess[str]:
    """Runs swarmctl in the folder, without input, and returns its result.

    Raises:
        subprocess.TimeoutExpired: it ran for more than `within_s` seconds, and was killed.
    """
    with tempfile.TemporaryDirectory() as streams:
        out, err = Path(streams, "out"), Path(streams, "err")
        process = _server().Process(target=_run, args=(tuple(argv), folder, dict(environment), out, err))
        process.start()
        process.join(within_s)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([PROGRAM, *argv], within_s, out.read_bytes(), err.read_bytes())
        process.close()
        return subprocess.CompletedProcess([PROGRAM, *argv], code, out.read_text(), err.read_text())


@cache
def _server() -> ForkServerContext:
    """Starts the process that is forked; it ends with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["swarmctl.main", *(command.module for command in COMMANDS.values()), *LATE_IMPORTS]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRPC_VERBOSITY", "NONE")  # gRPC reads it at its import; `main` is too late here
        forkserver.ensure_running()
    return context


def _run(argv: Sequence[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Becomes swarmctl."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for path, mode, stream in ((Path(os.devnull), "r", 0), (out, "w", 1), (err, "w", 2)):
        with path.open(mode) as opened:
            os.dup2(opened.fileno(), stream)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = [str(Path(sys.executable).with_name(PROGRAM)), *argv]
    main()
