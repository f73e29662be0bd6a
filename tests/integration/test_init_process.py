"""A program with the process number 1, as the first of a container: real PID namespaces, as root or as any user."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import until

NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
refused = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode
pytestmark = pytest.mark.skipif(refused != 0, reason="no PID namespaces here")

HEAD = """
import os, signal, subprocess, sys, time
from pathlib import Path
from amplifier_swarm.program import run_main
"""
# A daemon whose parent ends at once becomes a child of process 1, and ends.
STRANGER = """
def body():
    assert os.getpid() != 1 and os.getppid() == 1
    for _ in range(5):
        subprocess.run(["sh", "-c", "setsid sh -c 'echo $$ >> pids' & exit 0"], check=True)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pids = Path("pids").read_text().split() if Path("pids").exists() else []
        if len(pids) == 5 and not any(Path("/proc", pid).exists() for pid in pids):
            return 7
        time.sleep(0.01)
    return 1
"""
WAITER = """
def body():
    signal.signal(signal.SIGTERM, lambda *_: Path("termed").touch())
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    Path("ready").touch()
    while True:
        signal.pause()
"""


def start(folder: Path, body: str) -> subprocess.Popen[bytes]:
    """Starts the body as the first program of a namespace."""
    argv = [*NAMESPACE, sys.executable, "-c", f"{HEAD}{body}\nrun_main('p', body)"]
    return subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL)


def test_what_others_leave_is_reaped_and_the_exit_code_is_that_of_the_program(tmp_path: Path) -> None:
    with start(tmp_path, STRANGER) as process:
        assert process.wait(60) == 7


def test_a_signal_reaches_the_program_and_its_death_ends_the_namespace(tmp_path: Path) -> None:
    with start(tmp_path, WAITER) as process:
        until((tmp_path / "ready").exists, "the program waits")
        [first] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()

        for number, sign in ((signal.SIGTERM, "termed"), (signal.SIGINT, "")):
            subprocess.run(["kill", f"-{number}", first], check=True)
            if sign:
                until((tmp_path / sign).exists, "the program has the signal")
                assert process.poll() is None

        assert process.wait(30) == 128 + signal.SIGKILL
