"""The three programs as real processes; each is ended by its pid."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from amplifier_swarm.state_paths import project_state
from support.forked_swarmctl import run_swarmctl
from support.waiting import until

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
# Where the library amplifier_agent of a developer's machine is found.
LIBRARY_PLACES = ("AMPLIFIER_AGENT_PYTHON", "UV_TOOL_DIR", "XDG_DATA_HOME")
# Silence is noticed in seconds, so that a test of it takes seconds.
QUICK = ("--heartbeat-interval", "0.2", "--suspect-after", "1", "--lost-after", "4", "--retry-backoff", "0.1")


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def missing_for(what: str, programs: Sequence[str], *, variable: str, target: str) -> str:
    """Returns why tests that need root, programs and their own target can't run, in one line; empty if they can."""
    if not os.environ.get(variable):
        return f"tests of {what}: `make {target}` runs them"
    if os.geteuid() != 0:
        return f"no root: the tests of {what} are left out"
    absent = [name for name in programs if not shutil.which(name)]
    return f"no {', '.join(absent)}: the tests of {what} are left out" if absent else ""


@dataclass
class Program:
    """A running program whose output goes to files."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def ready(self) -> dict[str, str]:
        """Waits for the ready line and returns its key=value words."""
        line = until(self._ready_line, f"{self.out.stem} is ready; it said: {self.said()}")
        return dict(word.split("=", 1) for word in line.split() if "=" in word)

    def said(self) -> str:
        return self.err.read_text() if self.err.exists() else ""

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Sends SIGKILL and waits for the end."""
        self.process.kill()
        self.process.wait(30)

    def end(self, number: int = signal.SIGTERM, *, within_s: float = 30) -> int:
        """Sends a signal, waits for the end and returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(within_s)

    def _ready_line(self) -> str:
        assert self.process.poll() is None, (
            f"{self.out.stem} ended with {self.process.returncode}: {self.said()}"
        )
        text = self.out.read_text()
        return text.splitlines()[0] if "\n" in text else ""


@dataclass
class Stage:
    """A folder in which programs run."""

    folder: Path
    programs: list[Program] = field(default_factory=list)
    address: str = ""

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def state(self) -> Path:
        """The state folder of the server, which starts in `folder`."""
        return project_state(self.folder, self.environment()).folder

    @property
    def worker_state(self) -> Path:
        """The state folder of the workers, which work in `project`."""
        return project_state(self.project, self.environment()).folder / "worker"

    def environment(self) -> dict[str, str]:
        """Returns the environment of a user who keeps all state in this folder."""
        return environment() | {"XDG_STATE_HOME": str(self.folder / "state-home")}

    def start(
        self,
        name: str,
        *argv: str,
        program: str,
        env: Mapping[str, str] = MappingProxyType({}),
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> Program:
        """Starts a program; its streams go to files unless descriptors are given for them."""
        out, err = self.folder / f"{name}.out", self.folder / f"{name}.err"
        out.write_bytes(b"")
        with out.open("wb") as out_file, err.open("ab") as err_file:
            process = subprocess.Popen(
                [str(BIN / program), *argv], cwd=self.folder, stdin=subprocess.DEVNULL,
                env={**self.environment(), **env},
                stdout=out_file if stdout is None else stdout, stderr=err_file if stderr is None else stderr,
            )  # fmt: skip
        started = Program(process, out, err)
        self.programs.append(started)
        return started

    def swarmd(self, *flags: str) -> Program:
        """Starts a server; a restart uses the same port, so that workers and clients find it."""
        listen = self.address or "127.0.0.1:0"
        server = self.start("swarmd", "--listen", listen, *flags, program="swarmd")
        self.address = server.ready()["grpc"]
        return server

    def worker(self, name: str, *flags: str) -> Program:
        """Starts a worker; `ready()` waits until it has registered."""
        self.project.mkdir(exist_ok=True)
        argv = ("--server", self.address, "--name", name, "--project-root", str(self.project), *flags)
        return self.start(name, *argv, program="swarm-worker")

    def ctl(self, *argv: str, check: bool = True, server: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs swarmctl and returns its result."""
        where = ("--server", self.address) if server else ()
        done = run_swarmctl((*where, *argv), folder=self.folder, environment=self.environment(), within_s=60)
        assert not check or done.returncode == 0, (
            f"swarmctl {argv} ended with {done.returncode}: {done.stderr}"
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Returns all tasks by id, as `list -o json` shows them."""
        return {
            task["id"]: task for task in json.loads(self.ctl("list", "--limit", "0", "-o", "json").stdout)
        }

    def statuses(self) -> dict[str, str]:
        return {task_id: task["status"] for task_id, task in self.tasks().items()}

    def workers(self) -> dict[str, dict[str, Any]]:
        """Returns all workers by name, as `workers -o json` shows them."""
        return {worker["name"]: worker for worker in json.loads(self.ctl("workers", "-o", "json").stdout)}

    def until_status(self, task: str, *statuses: str) -> None:
        until(lambda: self.statuses()[task] in statuses, f"{task} is {' or '.join(statuses)}")


def environment() -> dict[str, str]:
    """Returns the environment of a user who has set none of our variables, and no proxy or certificate of a company."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SWARM", "PYTEST"))
        and key not in LIBRARY_PLACES
        and not re.search("proxy|CA_BUNDLE|EXTRA_CA|CAINFO|SSL_CERT", key, re.IGNORECASE)
    }
    # Many servers run at once in tests, so none serves the dashboard on its usual port.
    return kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200", "SWARMD_DASHBOARD": "off"}


def alive(pid: int) -> bool:
    """Returns whether the process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Yields a stage and kills its remaining programs when the block ends."""
    found = Stage(folder)
    try:
        yield found
    finally:
        for program in reversed(found.programs):
            if program.process.poll() is None:
                program.kill()
