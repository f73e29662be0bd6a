"""A session can't read the memory or the environment of its worker and its guard, and is itself an ordinary program."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from fakes.containment_levels import level
from swarm_worker.guard.containment import PIDNS

SETPRIV = shutil.which("setpriv")
# The interpreter of a test may lie where only root can read.
AS_NOBODY = (
    "setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search", "--",
)  # fmt: skip
# As root every process is readable, so the session must run as an ordinary user.
_WORKER = """
import asyncio, os, sys, uuid
from pathlib import Path
from amplifier_swarm.hardening import protect_process
from swarm_worker.guard.containment import Containment
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import Launch, RunLimits
from swarm_worker.supervision.supervisor import ProcessSupervisor
from swarm_worker.supervision.stop_signal import Stop

class Output:
    text = b""
    def stdout(self, chunk):
        self.text += chunk
    stderr = stdout

async def main(folder, level, *program):
    protect_process()
    output, fence = Output(), Fence(ProcessSupervisor(Containment(level), instance=uuid.uuid4().hex))
    fence.set_stop_after(60, since=now_s())
    await fence.supervisor.kill_leftovers()
    argv = (*program, str(os.getpid()))
    launch = Launch(argv, Path(folder), {"PATH": os.defpath}, Path(folder) / "lock")
    ended = await run_guarded(launch, limits=RunLimits(60, 0, 0.2), fence=fence, stop=Stop(grace_s=0.2), sink=output)
    print((output.text.decode() or ended.error, str(ended.cause), ended.exit_code))

asyncio.run(main(*sys.argv[1:]))
"""
_SESSION = """
import os, sys
def readable(pid):
    found = []
    for name in ("environ", "mem", "maps", "fd"):
        try:
            os.readlink(f"/proc/{pid}/{name}/0") if name == "fd" else open(f"/proc/{pid}/{name}", "rb").close()
            found.append(name)
        except OSError:
            pass
    return found
print((readable(sys.argv[1]), readable(os.getppid()), readable(os.getpid())))
"""


class Seen(NamedTuple):
    """The result of a run by an ordinary user: the session's output, and the end of the run."""

    output: Any
    cause: str
    exit_code: int


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of nobody below /tmp: each pytest that starts closes the parent of all `tmp_path` to other users."""
    if SETPRIV is None or subprocess.run([*AS_NOBODY, "true"], check=False).returncode != 0:
        pytest.skip("only root, with setpriv, can become an ordinary user")
    with TemporaryDirectory(prefix="hardening-") as name:
        shutil.chown(name, "nobody")
        yield Path(name)


def _run_as_nobody(folder: Path, containment: str, *program: str) -> Seen:
    argv = (*AS_NOBODY, sys.executable, "-c", _WORKER, str(folder), containment, *program)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    output, cause, code = ast.literal_eval(done.stdout)
    return Seen(output, cause, code)


@pytest.mark.slow
def test_a_session_reads_itself_but_neither_worker_nor_guard(folder: Path) -> None:
    seen = _run_as_nobody(folder, "subreaper", sys.executable, "-S", "-c", _SESSION)
    assert (seen.cause, seen.exit_code) == ("exit", 0), seen.output
    worker, guard, own = ast.literal_eval(seen.output)

    assert worker == []
    assert guard == []
    assert own == ["environ", "mem", "maps", "fd"]


@pytest.mark.slow
def test_a_session_in_a_pid_namespace_reads_itself_but_not_the_first_process(folder: Path) -> None:
    """There the worker has no number, and the session's parent is a process of the guard."""
    program = "for pid in 1 self; do cat /proc/$pid/environ > /dev/null 2>&1 && echo $pid; done; true"
    with level(PIDNS):
        seen = _run_as_nobody(folder, PIDNS, "/bin/sh", "-c", program)

    assert (seen.cause, seen.exit_code, seen.output) == ("exit", 0, "self\n")


@pytest.mark.slow
def test_a_start_in_a_pid_namespace_that_fails_says_why(folder: Path) -> None:
    """The guard has left its old view of users, and may no longer be able to read Python's own files."""
    with level(PIDNS):
        seen = _run_as_nobody(folder, PIDNS, "/nowhere/program")

    assert (seen.cause, seen.output) == ("spawn", "can't start /nowhere/program: No such file or directory")


@pytest.mark.slow
def test_a_session_can_debug_its_own_programs(folder: Path) -> None:
    """A program that a session starts can be read by the session, as a debugger does."""
    program = """
import subprocess, time
child = subprocess.Popen(["sleep", "60"])
while open(f"/proc/{child.pid}/comm").read() != "sleep\\n":
    time.sleep(0.01)
print(open(f"/proc/{child.pid}/environ", "rb").read() != b"", open(f"/proc/{child.pid}/mem", "rb").close())
child.kill()
child.wait()
"""
    seen = _run_as_nobody(folder, "subreaper", sys.executable, "-S", "-c", program)

    assert seen.output == "True None\n"


@pytest.mark.parametrize("program", ["swarmd", "swarm_worker"])
def test_both_daemons_are_protected_before_they_read_a_token(program: str) -> None:
    code = f"""
import sys
from amplifier_swarm import light_imports
from swarm_worker.guard.procfs import libc
import resource
def stop():
    print(libc().prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0])
    sys.exit(0)
light_imports.load_structlog = stop
from {program} import main
sys.argv[1:] = ["--server", "127.0.0.1:1"] if "{program}" == "swarm_worker" else []
main.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "0 0\n"
