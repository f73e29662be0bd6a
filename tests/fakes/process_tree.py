"""Process trees that try to escape, and the ledger in which each of their processes writes itself down."""

import os
import sys
import time
from pathlib import Path
from typing import Final

from swarm_worker.guard.procfs import DEAD_STATES, kill_frozen, pids, stat

# Number of looks in a row without a process, before the trees count as gone.
EMPTY_LOOKS: Final = 15
# Each style of escape, with the least number of processes that it writes into the ledger.
ESCAPES: Final = {
    "plain": 2,  # a child that stays
    "setsid": 2,
    "daemon": 2,  # a double fork
    "cleared": 2,  # a double fork with an empty environment
    "deaf": 2,  # a double fork that ignores SIGTERM, SIGINT and SIGHUP
    "storm": 25,  # deaf, and always another process
    "nohup": 2,
    "pty": 3,
    "stopper": 2,  # stops its guard again and again
    "threads": 2,  # a process whose main thread exits while another runs
}
STYLES: Final = {**ESCAPES, "every": 15}

_SOURCE: Final = r"""
import os, pty, signal, sys, time

ledger, style = sys.argv[1:3]

def sign():
    with open("/proc/self/stat") as file:
        started = file.read().rpartition(") ")[2].split()[19]
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{os.getpid()} {started}\n".encode())
    os.close(fd)

def stay():
    sign()
    while True:
        time.sleep(60)

def child(body):
    if os.fork() == 0:
        body()
        os._exit(0)

def deaf():
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    stay()

def daemon(body):
    def middle():
        os.setsid()
        child(body)
    child(middle)
    os.wait()

def setsid():
    os.setsid()
    stay()

def cleared():
    os.execve(sys.executable, [sys.executable, "-S", __file__, ledger, "stay"], {})

def nohup():
    os.execvp("nohup", ["nohup", sys.executable, "-S", __file__, ledger, "stay"])

def terminal():
    if pty.fork()[0] == 0:
        deaf()
    stay()

def storm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(100000):  # bounded, should its guard fail
        sign()
        if os.fork() > 0:
            time.sleep(0.05)
            os._exit(0)
        os.setsid()

def threads():
    import ctypes, platform, threading
    threading.Thread(target=stay).start()
    ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)

def stopper():
    guard = os.getppid()
    child(deaf)
    sign()
    for _ in range(12):  # fewer times than a guard is continued
        os.kill(guard, signal.SIGSTOP)
        time.sleep(0.5)
    while True:
        time.sleep(60)

escapes = {
    "plain": lambda: child(stay),
    "setsid": lambda: child(setsid),
    "daemon": lambda: daemon(stay),
    "cleared": lambda: daemon(cleared),
    "deaf": lambda: daemon(deaf),
    "storm": lambda: daemon(storm),
    "nohup": lambda: child(nohup),
    "pty": lambda: child(terminal),
    "threads": lambda: daemon(threads),
}
for name, escape in escapes.items():
    if style in (name, "every"):
        escape()
if style == "stopper":
    stopper()
stay()
"""


class Ledger:
    """The list in which the processes of a tree write themselves down."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger"
        self._script = folder / "evil.py"
        self._script.write_text(_SOURCE, encoding="utf-8")

    def argv(self, style: str) -> list[str]:
        """Returns the command of a session that starts processes in that style and stays."""
        return [sys.executable, "-S", str(self._script), str(self.path), style]

    @property
    def signed(self) -> int:
        """The number of processes so far."""
        return len(self._lines())

    def alive(self) -> list[str]:
        """Returns the processes that live."""
        return [pid for pid, started in self._lines() if _lives(pid, started)]

    def _lines(self) -> list[tuple[str, str]]:
        if not self.path.exists():
            return []
        words = [line.split() for line in self.path.read_text(encoding="ascii").splitlines()]
        return [(word[0], word[1]) for word in words if len(word) == 2]


def end_all(folder: Path, *, empty_looks: int = EMPTY_LOOKS) -> None:
    """Kills every process with a path of the folder in its command line, until so many looks find none."""
    quiet = 0
    while quiet < empty_looks:
        of_it = [stat(pid) for pid in pids() if _is_of(pid, folder)]
        alive = [found.process for found in of_it if found and found.state not in DEAD_STATES]
        kill_frozen(alive)
        quiet = 0 if alive else quiet + 1
        time.sleep(0.01)


def _is_of(pid: int, folder: Path) -> bool:
    try:
        return os.fsencode(folder) + b"/" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _lives(pid: str, started: str) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(") ")[2].split()
    except OSError:
        return False
    return (fields[0] not in "ZX" or int(fields[17]) > 1) and fields[19] == started
