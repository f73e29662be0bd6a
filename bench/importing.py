"""An import beside the parsing of its file alone, and a drain beside viewers that watch it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import yaml
from measure import Finding, Pairs, Setting, at_least, at_most, timed
from programs import HERE, Running, add_tasks, folder, run, start_swarmd, swarmd

from support.plans import random_plan, write_plan
from support.programs import environment, stage

VIEWERS = 100
SECONDS = 3
TASKS = 20_000


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures the import."""
    count = 100_000
    pairs = Pairs()
    with folder() as where:
        write_plan(where / "plan.yaml", random_plan(count, 1))
        for _ in range(setting.of(1, 3)):
            with timed() as parsing, (where / "plan.yaml").open() as file:
                yaml.load(file, Loader=yaml.CSafeLoader)
            with folder() as fresh, stage(fresh) as found:
                start_swarmd(found)
                with timed() as importing:
                    found.ctl("import", str(where / "plan.yaml"))
            pairs.add(importing.seconds, parsing.seconds)
    yield Finding(
        "import", f"import of {count:,} tasks with dependencies ÷ parsing the file", pairs.ratios, at_most(2),
        beside=pairs.beside("s", "parsing s"),
    )  # fmt: skip


def viewer_findings(setting: Setting) -> Iterator[Finding]:
    """Steps a second while a hundred watch every event, beside nobody."""
    for kind, name in (("ws", "dashboards"), ("rpc", "that watch the events over gRPC")):
        pairs = Pairs()
        with swarmd("--dashboard", "127.0.0.1:0") as server:
            for number in range(setting.pairs):
                add_tasks(server, TASKS, prefix=f"v{number}")
                with _viewers(server, kind):
                    watched = _steps(server)
                pairs.add(watched, _steps(server))
        yield Finding(
            "viewers", f"steps/s with {VIEWERS} {name} ÷ with none", pairs.ratios, at_least(0.9),
            beside=pairs.beside("watched/s", "alone/s"),
        )  # fmt: skip


def _steps(server: Running) -> float:
    endpoint = server.endpoint
    per_s: float = run("load.py", endpoint.server, endpoint.token, 40, 1, SECONDS)["per_s"]
    return per_s


@contextlib.contextmanager
def _viewers(server: Running, kind: str) -> Iterator[None]:
    """Opens a hundred viewers of every event until the block ends: pages (`ws`), or gRPC streams (`rpc`)."""
    address = server.endpoint.server
    if kind == "ws":
        address = server.program.ready()["dashboard"].removeprefix("http://").partition("/")[0]
    argv = [sys.executable, str(HERE / "viewers.py"), kind, address, server.endpoint.token, str(VIEWERS)]
    env = environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        yield
    finally:
        process.kill()
        process.wait(30)
