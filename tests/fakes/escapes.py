"""A hostile session: tries each way out of a sandbox and prints what it reached, one JSON object.

It is started as a program of its own in the sandbox, so it imports the standard library only. The argument is a JSON
object with the places and numbers to attack, as the worker's side knows them.
"""

import contextlib
import ctypes
import glob
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH = 16
CLONE_NEWUSER = 0x1000_0000
KEYCTL_DESCRIBE = 6


def attempt(action: Callable[[], object]) -> str:
    """Returns what the action gave, empty if it was refused."""
    try:
        return str(action() or "")
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""


def read(path: str) -> str:
    """Returns the content of a file."""
    return Path(path).read_bytes().decode(errors="replace")


def write(path: str) -> str:
    """Writes a file and returns its path."""
    with open(path, "a", encoding="utf-8") as file:
        file.write("escaped\n")
    return path


def signalled(number: int) -> str:
    """Signals a process of the machine and returns its number."""
    os.kill(number, signal.SIGCONT)
    # In a namespace the number may be that of another process.
    return str(number) if number in pids() and number > 20 else ""


def traced(number: int) -> str:
    """Attaches to a process of the machine as a debugger does."""
    return called("ptrace", PTRACE_ATTACH, number, None, None) if number in pids() and number > 20 else ""


def pids() -> list[int]:
    """Returns the processes that are visible."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def connected(family: socket.AddressFamily, address: "str | bytes | tuple[str, int]") -> str:
    """Connects and returns the address."""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        sock.connect(address)
    return str(address)


def called(name: str, *arguments: object) -> str:
    """Calls the C library and returns the name of the call if it succeeds."""
    result = getattr(LIBC, name)(*arguments)
    return name if result >= 0 else ""


def became_root() -> str:
    """Tries to get a user that the session is not."""
    before = os.getresuid()
    os.setresuid(12345, 12345, 12345)
    return "" if os.getresuid() == before else "setresuid"


def capabilities() -> str:
    """Returns the sets of capabilities that are not empty."""
    lines = [line.split() for line in read("/proc/self/status").splitlines() if line.startswith("Cap")]
    return " ".join(name for name, bits in lines if int(bits, 16))


def kernel_settings() -> str:
    """Opens what changes the whole machine."""
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname"):
        with contextlib.suppress(OSError), open(path, "a", encoding="ascii"):
            return path
    return ""


def system_written() -> str:
    """Writes beside the programs of the machine."""
    for path in ("/usr/bin/escaped", "/etc/escaped", "/escaped", "/run/escaped", "/opt/escaped"):
        with contextlib.suppress(OSError):
            return write(path)
    return ""


def daemon() -> str:
    """Leaves a process of its own session behind, whose parent is gone."""
    code = (
        "import os,time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(600)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, env={})
    return "left"


def main() -> None:
    """Tries everything and prints the results."""
    given = json.loads(sys.argv[1])
    found = {f"read {name}": attempt(partial(read, path)) for name, path in given["secrets"].items()}
    found |= {f"write {name}": attempt(partial(write, path)) for name, path in given["targets"].items()}
    for name, number in given["pids"].items():
        for file in ("environ", "mem", "maps"):
            found[f"{file} of {name}"] = attempt(partial(read, f"/proc/{number}/{file}"))
        found[f"signal {name}"] = attempt(partial(signalled, number))
        found[f"trace {name}"] = attempt(partial(traced, number))
    found |= {
        "port": attempt(lambda: connected(socket.AF_INET, ("127.0.0.1", given["port"]))),
        "abstract socket": attempt(lambda: connected(socket.AF_UNIX, given["abstract"].encode())),
        "socket in the state": attempt(lambda: connected(socket.AF_UNIX, given["socket"])),
        "docker": attempt(lambda: connected(socket.AF_UNIX, "/var/run/docker.sock")),
        "dbus": attempt(lambda: connected(socket.AF_UNIX, "/run/dbus/system_bus_socket")),
        "mount": attempt(lambda: called("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
        "unshare": attempt(lambda: called("unshare", CLONE_NEWUSER)),
        "chroot": attempt(lambda: called("chroot", b"/tmp")),
        "user": attempt(became_root),
        "capabilities": attempt(capabilities),
        "keyring": attempt(lambda: called("syscall", given["keyctl"], KEYCTL_DESCRIBE, -4, None, 0)),
        "kernel settings": attempt(kernel_settings),
        "system": attempt(system_written),
        "shared memory": " ".join(name for name in os.listdir("/dev/shm") if name not in given["own"]),
        "disks": " ".join(glob.glob("/dev/sd*") + glob.glob("/dev/vd*") + glob.glob("/dev/mem")),
        "sys": attempt(lambda: " ".join(os.listdir("/sys/fs/cgroup"))),
        "home": " ".join(os.listdir(os.path.expanduser("~"))),
        "tmp": " ".join(name for name in os.listdir("/tmp") if name not in given["own"]),
        "processes": " ".join(str(pid) for pid in pids() if pid > 20),
        "leave": daemon(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
