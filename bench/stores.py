"""Stores of the peers: Redis with and without its log, and PostgreSQL, each fresh and on a free port."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from support.waiting import until

REDIS: Final = "redis-server"


@contextlib.contextmanager
def store(kind: str, where: Path) -> Iterator[Mapping[str, str]]:
    """Opens a fresh store of that kind; yields the variables that locate it."""
    if kind == "none":
        yield {}
    elif kind == "postgres":
        with _postgres(where) as env:
            yield env
    else:
        with _redis(where, durable=kind == "aof") as env:
            yield env


@contextlib.contextmanager
def _redis(where: Path, *, durable: bool) -> Iterator[Mapping[str, str]]:
    port = _free_port()
    aof = ("--appendonly", "yes", "--appendfsync", "always") if durable else ("--appendonly", "no")
    argv = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(where), *aof]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), "redis answers")
        yield {"BENCH_REDIS": f"redis://127.0.0.1:{port}/0"}
    finally:
        server.terminate()
        server.wait(15)


@contextlib.contextmanager
def _postgres(where: Path) -> Iterator[Mapping[str, str]]:
    programs = postgres_bin()
    assert programs is not None
    # PostgreSQL refuses to run as root; Debian provides a user for it.
    user = "postgres" if os.getuid() == 0 else None
    where.chmod(0o755)
    data = where / "postgres"
    data.mkdir()
    if user:
        shutil.chown(data, user)
    quietly: dict[str, Any] = {
        "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user, "cwd": "/",
    }  # fmt: skip
    subprocess.run([programs / "initdb", "-D", data, "-A", "trust", "-U", "bench"], check=True, **quietly)
    port = _free_port()
    argv = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data), "-h", "127.0.0.1"]
    server = subprocess.Popen(argv, **quietly)
    try:
        until(lambda: _answers(port), "PostgreSQL answers")
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        until(lambda: subprocess.run(ready, check=False, **quietly).returncode == 0, "PostgreSQL is ready")
        yield {"BENCH_POSTGRES": f"postgresql://bench@127.0.0.1:{port}/postgres"}
    finally:
        server.terminate()
        server.wait(30)


def postgres_bin() -> Path | None:
    """Returns the folder of its programs; None if it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
