"""The cost of a standby on this machine, what a loss of the server's machine loses, and how long the change takes.

Server, standby and load share the processors; a standby on a machine of its own takes less from the server.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
from measure import Finding, Pairs, Setting
from programs import HERE, Running, add_tasks, folder, start_swarmd
from steps import TASKS, measured_steps

from support.programs import BIN, Program, Stage, environment, stage
from support.waiting import until
from swarmd.store.file import checksums

WORKERS = 200
# The events before a death.
DEATH_EVENTS = 5_000


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures the standby."""
    for ack in ("stored", "replicated"):
        steps, costs = Pairs(), Pairs()
        for number in range(setting.pairs):
            with folder() as where, stage(where) as found:
                server = start_swarmd(found, "--ack", ack)
                add_tasks(server, 2 * TASKS)
                # The second of two runs is quicker, so each order has its turn.
                runs = {
                    turn: _steps(found, server, followed=turn) for turn in (number % 2 == 0, number % 2 == 1)
                }
                steps.add(runs[True][0], runs[False][0])
                costs.add(runs[True][1], runs[False][1])
        yield Finding(
            "standby", f"steps/s with a standby ÷ without, --ack {ack}", steps.ratios,
            beside=steps.beside("with/s", "without/s"),
        )  # fmt: skip
        # Other programs of the machine change this ratio far less than the first one.
        yield Finding(
            "standby", f"processor time of the server for a step ÷ without, --ack {ack}", costs.ratios,
            beside=costs.beside("with µs", "without µs"),
        )  # fmt: skip
    for ack in ("stored", "replicated"):
        deaths = [_death(ack) for _ in range(setting.pairs)]
        yield Finding(
            "standby", f"work that the copy lacks after a death under load, --ack {ack}",
            [lost for lost, _, _ in deaths], unit="ms",
        )  # fmt: skip
        yield Finding(
            "standby", f"from the restore to a server that serves, --ack {ack}", [ready for _, ready, _ in deaths],
            unit="s", beside={"MB of the database": deaths[0][2]},
        )  # fmt: skip


def _steps(found: Stage, server: Running, *, followed: bool) -> tuple[float, float]:
    """Returns steps a second, and the server's µs of processor time for one."""
    standby = _standby(found, server) if followed else None
    measured = measured_steps(server, WORKERS, 1)
    if standby is not None:
        assert standby.process.poll() is None, standby.said()
        standby.kill()
    return measured


def _standby(found: Stage, server: Running) -> Program:
    argv = ("--server", server.endpoint.server, "backup", "--follow", str(found.folder / "copy"))
    standby = found.start("standby", *argv, program="swarmctl", env={"SWARM_TOKEN": server.endpoint.token})
    until(lambda: "complete copy" in standby.said(), "the copy is complete")
    return standby


def _death(ack: str) -> tuple[float, float, float]:
    """Kills server and standby under load; returns the ms of work lost, the s until a server serves, the MB."""
    with folder() as where, stage(where) as found:
        server = start_swarmd(found, "--ack", ack)
        add_tasks(server, TASKS)
        standby = _standby(found, server)
        load = [sys.executable, str(HERE / "load.py"), server.endpoint.server, server.endpoint.token]
        process = subprocess.Popen(
            [*load, str(WORKERS), "1", "60"], env=environment() | {"PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            before = _events(found.state / "swarm.db")
            began_s = time.monotonic()
            until(lambda: _events(found.state / "swarm.db") > before + DEATH_EVENTS, "the load runs")
            per_s = (_events(found.state / "swarm.db") - before) / (time.monotonic() - began_s)
            # The standby reads nothing more of what the server has sent.
            standby.send(signal.SIGSTOP)
            server.program.kill()
            standby.kill()
        finally:
            process.kill()
            process.wait()
        written = _events(found.state / "swarm.db")
        shutil.rmtree(found.state)
        began_s = time.monotonic()
        db = found.state / "swarm.db"
        subprocess.run([BIN / "swarmd", "--db", db, "--restore", where / "copy"], check=True, cwd=where,
                       stdout=subprocess.DEVNULL, env=found.environment())  # fmt: skip
        kept = _events(db) - 1
        start_swarmd(found)
        return 1_000 * (written - kept) / per_s, time.monotonic() - began_s, db.stat().st_size / 1e6


def _events(db: Path) -> int:
    connection = apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY, vfs=checksums.layer())
    try:
        connection.set_busy_timeout(5_000)
        return int(connection.execute("SELECT max(seq) FROM events").get)
    finally:
        connection.close()
