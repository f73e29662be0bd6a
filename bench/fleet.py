"""R11, R12, R14: thousands of workers that are idle, that send heartbeats, and that reconnect at once."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from measure import Finding, Pairs, Setting, at_least, at_most
from programs import HERE, Running, echo, folder, memory_kib, run, start_swarmd, swarmd

from support.programs import environment, stage
from support.waiting import until

BEAT_S = 10
FLOOD_WORKERS = 200
FLOOD_S = 3


def idle_findings(setting: Setting) -> Iterator[Finding]:
    """Measures R11: memory per worker beside a bare stream, and the cost of joins and heartbeats."""
    workers, minutes = setting.of(1_000, 10_000), setting.minutes(0.5, 10)
    with echo() as bare:
        reference_kib = _memory_per_worker(bare, workers)
    with swarmd() as server, idle_fleet(server, workers) as fleet:
        # Each worker sends a heartbeat after its join, and the next one nine seconds later.
        until(lambda: fleet.state()["beats"] >= workers, "the first beats are answered", deadline_s=60)
        joining = fleet.since()
        # A garbage collection of the load program must not delay the next measure.
        time.sleep(BEAT_S)
        fleet.since()
        cpu, begin = server.cpu_s(), time.monotonic()
        time.sleep(60 * minutes)
        cores, beats = (server.cpu_s() - cpu) / (time.monotonic() - begin), fleet.since()
    yield Finding(
        "R11", f"memory of the server per idle worker ({workers:,}) ÷ bare stream", [fleet.kib / reference_kib],
        at_most(1.4), beside={"KiB": fleet.kib, "bare KiB": reference_kib},
    )  # fmt: skip
    yield Finding(
        "R11", f"until {workers:,} workers that come at once have joined", [fleet.joined_s], unit=" s",
        beside={"slowest first beat ms": joining["slowest_ms"], "missed": joining["missed"]},
    )  # fmt: skip
    yield Finding(
        "R11", f"cores for {workers:,} workers that beat every {BEAT_S} s", [cores], at_most(0.5),
        beside={"beats": beats["beats"]},
    )  # fmt: skip
    yield Finding(
        "R11", f"p99 of the answer to a beat, in {minutes:g} min", [beats["p99_ms"]], unit=" ms",
        beside={"p50 ms": beats["p50_ms"], "p99.9 ms": beats["p999_ms"], "slowest ms": beats["slowest_ms"],
                "load stood still ms": beats["still_ms"]},
    )  # fmt: skip
    yield Finding("R11", f"missed beats in {minutes:g} min", [beats["missed"]], at_most(0))


def flood_findings(setting: Setting) -> Iterator[Finding]:
    """Measures R12: heartbeats as fast as they are answered."""
    pairs = Pairs()
    with echo() as bare, swarmd() as server:
        for _ in range(setting.pairs):
            ours, reference = (
                run("beats.py", each.endpoint.server, each.endpoint.token, FLOOD_WORKERS, FLOOD_S)["per_s"]
                for each in (server, bare)
            )
            pairs.add(ours, reference)
    yield Finding(
        "R12", f"beats/s of {FLOOD_WORKERS} workers ÷ bare sink", pairs.ratios, at_least(0.8),
        beside=pairs.beside("beats/s", "sink/s"),
    )  # fmt: skip


def storm_findings(setting: Setting) -> Iterator[Finding]:
    """Measures R14: swarmd is killed and started again under a fleet."""
    workers = setting.of(1_000, 10_000)
    with folder() as where, stage(where) as found:
        server = start_swarmd(found)
        with idle_fleet(server, workers) as fleet:
            server.program.send(signal.SIGKILL)
            server.program.process.wait(30)
            begin = time.monotonic()
            start_swarmd(found)
            up_s = time.monotonic() - begin
            until(lambda: fleet.state()["openings"] >= 2 * workers, "all are back", deadline_s=120)
            # A worker that was refused would come back later than the rest, or lose its stream again.
            time.sleep(2)
            state = fleet.state()
    yield Finding(
        "R14", f"streams lost of {workers:,} after SIGKILL of swarmd", [float(workers - state["open"])], at_most(0),
        beside={"s until all are back": state["last_open_s"] - begin, "s until it answers": up_s,
                "openings": state["openings"]},
    )  # fmt: skip


class IdleFleet:
    """The program that holds the idle workers."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.kib = 0.0
        self.joined_s = 0.0

    def state(self) -> Any:
        """Returns the state of the fleet."""
        return self._ask("look")

    def since(self) -> Any:
        """Returns the heartbeats since the last call."""
        return self._ask("since")

    def _ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def idle_fleet(server: Running, workers: int) -> Iterator[IdleFleet]:
    """Returns that number of workers, connected."""
    argv = [sys.executable, str(HERE / "idle.py"), server.endpoint.server, server.endpoint.token]
    env = environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    time.sleep(1)
    empty_kib, begin = memory_kib(server.program.pid), time.monotonic()
    process = subprocess.Popen(
        [*argv, str(workers), str(BEAT_S)], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        fleet = IdleFleet(process)
        until(lambda: fleet.state()["open"] >= workers, "all are connected", deadline_s=120)
        fleet.joined_s = fleet.state()["last_open_s"] - begin
        fleet.kib = (memory_kib(server.program.pid) - empty_kib) / workers
        yield fleet
    finally:
        process.kill()
        process.wait(30)


def _memory_per_worker(server: Running, workers: int) -> float:
    with idle_fleet(server, workers) as fleet:
        return fleet.kib
