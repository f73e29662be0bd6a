"""A cluster of Slurm on this machine: real munged, slurmctld and slurmd, each ended by its pid."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.programs import free_port, missing_for
from support.waiting import until

PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "sbatch")
PARTITION: Final = "gpu"
# More CPUs than the machine has, so that all elements of an array run at once.
SETTINGS: Final = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
KillWait=20
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 State=UNKNOWN
PartitionName={partition} Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Returns why no cluster can run here, in one line; empty if it can."""
    return missing_for("Slurm", PROGRAMS, variable="SWARM_TEST_SLURM", target="test-slurm")


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `env` are the variables by which Slurm's programs find it."""

    folder: Path
    env: Mapping[str, str]

    def run(self, *argv: str) -> str:
        """Runs one of Slurm's programs; returns what it prints."""
        done = subprocess.run(
            argv, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def elements(self, job: str) -> dict[str, str]:
        """Returns the state of each element of the job that waits or runs, by its number."""
        lines = self.run("squeue", "-h", "-r", "-j", job, "-o", "%K %T").split("\n")
        return dict(line.split() for line in lines if line)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Runs a cluster of one node until the end."""
    munge = folder / "munge"
    for place in (munge, folder / "state", folder / "spool"):
        place.mkdir()
    key = munge / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    for place in (munge, key):
        shutil.chown(place, "munge", "munge")
    settings = folder / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    text = SETTINGS.format(host=host, folder=folder, ports=(free_port(), free_port()), partition=PARTITION)
    settings.write_text(text)
    env = {"SLURM_CONF": str(settings)}
    files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    flags = [f"--{flag}={munge / name}" for flag, name in files.items()]
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(
            _start(["munged", "-F", f"--key-file={key}", *flags], folder / "munged.log", user="munge")
        )
        until((munge / "socket").exists, "munged listens")
        started.append(_start(["slurmctld", "-D", "-c"], folder / "slurmctld.log", env=env))
        started.append(_start(["slurmd", "-D"], folder / "slurmd.log", env=env))
        found = Cluster(folder, env)
        until(lambda: _is_idle(found), "the node is idle", deadline_s=60)
        yield found
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)


def _start(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, user: str | None = None
) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            argv, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            user=user, group=user, extra_groups=[] if user else None,
        )  # fmt: skip


def _is_idle(found: Cluster) -> bool:
    done = subprocess.run(
        ["sinfo", "-h", "-o", "%t"],
        env={**os.environ, **found.env},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() == "idle"
