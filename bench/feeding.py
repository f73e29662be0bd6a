"""What a hundred pages on the live feed cost the workers: beside 20,000 tasks, at a pace and at full speed."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from latency import _depend
from measure import Finding, Pairs, Setting, at_least, at_most
from programs import HERE, Running, add_tasks, folder, run, start_swarmd

from support.programs import environment, stage

PAGES = 100
TASKS = 20_000
SECONDS = 3
# Some 200 events a second: 50 tasks at once, each for a second.
WORKERS, SLOTS, HOLD_S = 10, 5, 1.0


def findings(setting: Setting) -> Iterator[Finding]:
    """Both, in rounds beside nobody who looks on."""
    claims, steps = Pairs(), Pairs()
    with folder() as where, stage(where) as found:
        server = start_swarmd(found, "--dashboard", "127.0.0.1:0")
        add_tasks(server, TASKS * (setting.pairs + 1), prefix="f")
        for number in range(setting.pairs):
            with _load(server, 120):
                with _pages(server):
                    watched_ms = asyncio.run(_depend(server, f"w{number}"))[0]
                claims.add(watched_ms, asyncio.run(_depend(server, f"a{number}"))[0])
            with _pages(server):
                watched = _steps(server)
            steps.add(watched, _steps(server))
    yield Finding(
        "feed", f"finished → dependent's claim beside 200 events/s, p50, {PAGES} pages ÷ none", claims.ratios,
        at_most(1.5), beside=claims.beside("ms", "alone ms"),
    )  # fmt: skip
    yield Finding(
        "feed", f"steps/s at full speed with {PAGES} pages ÷ with none", steps.ratios, at_least(0.8),
        beside=steps.beside("watched/s", "alone/s"),
    )  # fmt: skip


def _steps(server: Running) -> float:
    endpoint = server.endpoint
    per_s: float = run("load.py", endpoint.server, endpoint.token, 40, 1, SECONDS)["per_s"]
    return per_s


@contextlib.contextmanager
def _load(server: Running, seconds: float) -> Iterator[None]:
    endpoint = server.endpoint
    argv = (endpoint.server, endpoint.token, WORKERS, SLOTS, seconds, HOLD_S)
    with _beside("load.py", *argv):
        yield


@contextlib.contextmanager
def _pages(server: Running) -> Iterator[None]:
    dashboard = server.program.ready()["dashboard"]
    with _beside("pages_watching.py", dashboard, server.endpoint.token, PAGES) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        yield


@contextlib.contextmanager
def _beside(program: str, *arguments: object) -> "Iterator[subprocess.Popen[str]]":
    env = environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    argv = [sys.executable, str(HERE / program), *map(str, arguments)]
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
