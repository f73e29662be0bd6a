"""The runs of the peers: their own environment, their stores, four worker processes each, and the same
work.

A requirement that the machine lacks (Redis, PostgreSQL) is printed in one line, and its measures are left
out.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from programs import HERE, folder
from stores import REDIS, postgres_bin, store

from support.waiting import until

PEERS: Final = HERE / "peers"
ENVIRONMENT: Final = HERE.parent / ".tools" / "peers"


@dataclass(frozen=True)
class Peer:
    """A task queue, how its store is set up, and whether a task outlasts the worker that had it."""

    name: str
    module: str
    store: str
    survives: bool
    count: int
    # The number of concurrent tasks of a worker process, where the peer has a setting for it.
    threads: int = 1


DRAMATIQ: Final = Peer("Dramatiq, Redis with AOF", "with_dramatiq", "aof", survives=True, count=3_000)
HUEY: Final = Peer("Huey, Redis in memory", "with_huey", "memory", survives=False, count=8_000)
OTHERS: Final = (
    Peer("Dramatiq, eight threads a process", "with_dramatiq", "aof", survives=True, count=12_000, threads=8),
    Peer("Celery, Redis with AOF", "with_celery", "aof", survives=True, count=1_500),
    Peer("RQ, Redis with AOF", "with_rq", "aof", survives=True, count=400),
    Peer("Procrastinate, PostgreSQL", "with_procrastinate", "postgres", survives=True, count=1_200),
    Peer("Dask, in memory", "with_dask", "none", survives=True, count=3_000),
)


def missing(peer: Peer) -> str:
    """Returns the requirement that the machine lacks for the peer; empty if there is none."""
    if peer.store in ("aof", "memory") and shutil.which(REDIS) is None:
        return "needs redis-server: apt-get install redis-server"
    if peer.store == "postgres" and postgres_bin() is None:
        return "needs PostgreSQL: apt-get install postgresql"
    return ""


def drain_per_s(peer: Peer) -> float:
    """Returns tasks per second from the first that ran to the last; all of them were queued before."""
    with folder() as where, store(peer.store, where) as found:
        stamps = where / "stamps"
        env = _environment(peer, found, stamps)
        _do(peer, env, peer.count)
        with _workers(peer, env):
            until(partial(has, stamps, peer.count), f"{peer.name} is done", deadline_s=120)
        return rate(stamps)


def fan_ms(peer: Peer, times: int) -> list[float]:
    """Measures from the end of a task to the start of the last of four dependents, on four idle workers."""
    with folder() as where, store(peer.store, where) as found:
        stamps = where / "stamps"
        env = _environment(peer, found, stamps)
        with _workers(peer, env):
            for number in range(times + 1):
                _do(peer, env, "fan", number)
                until(partial(has, stamps, 5 * (number + 1)), "the fan has run")
                time.sleep(0.3)
        return fans_ms(stamps)[1:]


def rate(stamps: Path) -> float:
    """Returns tasks per second from the first line to the last."""
    times = sorted(int(line.split()[1]) for line in stamps.read_text().splitlines())
    return 1e9 * (len(times) - 1) / (times[-1] - times[0])


def fans_ms(stamps: Path) -> list[float]:
    """Returns the times between each `end-N` line and the last `start-N` line."""
    lines = [line.split() for line in stamps.read_text().splitlines()]
    ends = {word[4:]: int(at) for word, at in lines if word.startswith("end-")}
    lasts: dict[str, int] = {}
    for word, at in lines:
        if word.startswith("start-"):
            number = word.split("-")[1]
            lasts[number] = max(int(at), lasts.get(number, 0))
    return [(lasts[number] - ends[number]) / 1e6 for number in ends]


def install() -> None:
    """Makes the environment of the peers, apart from ours."""
    wanted = (PEERS / "requirements.txt").read_text()
    marker = ENVIRONMENT / "installed"
    if marker.exists() and marker.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
    pip = [str(ENVIRONMENT / "bin" / "pip"), "install", "--quiet", "-r", str(PEERS / "requirements.txt")]
    subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    marker.write_text(wanted)


def has(stamps: Path, lines: int) -> bool:
    """Returns whether that number of tasks has run."""
    return stamps.exists() and stamps.read_bytes().count(b"\n") >= lines


def _do(peer: Peer, env: Mapping[str, str], *words: object) -> None:
    argv = [str(ENVIRONMENT / "bin" / "python"), str(PEERS / f"{peer.module}.py"), *map(str, words)]
    subprocess.run(argv, env=env, check=True, timeout=250, stdout=subprocess.DEVNULL)


def _environment(peer: Peer, found: Mapping[str, str], stamps: Path) -> dict[str, str]:
    own = {"BENCH_STAMPS": str(stamps), "BENCH_THREADS": str(peer.threads), "PYTHONPATH": str(PEERS)}
    return {**os.environ, **found, **own}


@contextlib.contextmanager
def _workers(peer: Peer, env: Mapping[str, str]) -> Iterator[None]:
    listing = f"import json, {peer.module} as m; print(json.dumps(m.WORKERS))"
    python = str(ENVIRONMENT / "bin" / "python")
    said = subprocess.run([python, "-c", listing], env=env, check=True, capture_output=True, text=True).stdout
    started = [
        subprocess.Popen(
            [python, str(ENVIRONMENT / "bin" / argv[0]), *argv[1:]],
            env=env,
            cwd=PEERS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for argv in json.loads(said)
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
