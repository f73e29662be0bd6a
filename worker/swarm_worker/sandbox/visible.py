"""The files that a sandboxed session sees: the system's folders, its own programs, and what the operator adds.

Invariant: the list names what is visible, so a folder that nobody thought of stays invisible. No path that a session
could have written decides what is visible.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import find_program

SYSTEM: Final = tuple(
    Path(each)
    for each in (
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/etc",
        "/opt",
        "/nix",
        "/gnu",
    )
)
# Programs count processors by the first; the second has the certificates of some distributions.
SMALL_PARTS: Final = (Path("/sys/devices/system/cpu"), Path("/var/lib/ca-certificates"))
# Readable for a worker that runs as root, and of no use to a session.
SECRETS_OF_ETC: Final = (
    "shadow*",
    "gshadow*",
    "sudoers*",
    "ssh/ssh_host_*_key",
    "ssl/private",
    "krb5.keytab",
    "swarm",
)
# What root may write of /proc without any capability, such as the program that the kernel starts for a core dump.
READ_ONLY_OF_PROC: Final = ("sys", "sysrq-trigger", "irq", "bus", "fs")
# What shows the whole machine.
SECRETS_OF_PROC: Final = ("kcore", "keys", "key-users", "timer_list", "sched_debug", "scsi", "acpi")
HEAD_BYTES: Final = 256
# More links, and more interpreters of interpreters, than any installation has.
MAX_LINKS: Final = 16
MAX_INTERPRETERS: Final = 2
WRITABLE: Final = ":rw"


# Returns whether no session can write in a place.
Trust = Callable[[Path], bool]


class Binding(NamedTuple):
    """A file or folder of the machine that a session sees in the same place."""

    path: Path
    writable: bool = False


@dataclass(frozen=True, slots=True)
class SandboxView:
    """The files that a session sees; `home` is where its home folder appears."""

    private: Path
    home: Path
    bindings: Sequence[Binding]
    # Folders and files that look empty, and exceptions from them.
    hidden_folders: Sequence[Path] = ()
    hidden_files: Sequence[Path] = ()
    shown: Sequence[Path] = ()


def read_bindings(texts: Sequence[str]) -> list[Binding]:
    """Returns what --sandbox-bind adds: `PATH` or `PATH:rw`, where `~` is the home folder.

    Raises:
        ProgramExit: a path does not exist.
    """
    found = [
        Binding(Path(text.removesuffix(WRITABLE)).expanduser(), text.endswith(WRITABLE)) for text in texts
    ]
    for binding in found:
        if not binding.path.exists():
            text = f"--sandbox-bind {binding.path} does not exist"
            raise ProgramExit(ExitCode.USAGE, text, hint="create it, or leave the flag out")
    return found


def system_folders() -> Iterator[Path]:
    """Yields the system's folders that are there."""
    yield from (folder for folder in SYSTEM if folder.exists())


def secrets_of_etc() -> Iterator[Path]:
    """Yields what is hidden of /etc."""
    for pattern in SECRETS_OF_ETC:
        yield from Path("/etc").glob(pattern)


def resolver_file() -> Path | None:
    """Returns the file that /etc/resolv.conf is a link to, if it is outside of the visible folders."""
    real = Path(os.path.realpath("/etc/resolv.conf"))
    return None if is_visible(real) or not real.is_file() else real


def is_visible(path: Path) -> bool:
    """Returns whether the system's folders contain the path."""
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def folders_on_path(path: str, home: Path, trusted: Trust) -> Iterator[Path]:
    """Yields the folders of PATH, and what virtual environments among them need; none contains the home folder.

    Nothing is read in a place that is not trusted.
    """
    for entry in path.split(os.pathsep):
        folder = Path(entry)
        if folder.is_absolute() and folder.is_dir() and not home.is_relative_to(folder):
            yield folder
            yield from _environment_of(folder, home, trusted)


def program_paths(program: str, *, path: str, home: Path, trusted: Trust) -> Iterator[Path]:
    """Yields what a program needs besides the system's folders: its installation, and that of its interpreter.

    Nothing is read, and no link is followed, in a place that is not trusted.
    """
    found = find_program(program, path=path) if Path(program).is_absolute() or os.sep not in program else None
    if found is not None:
        yield from _installation(Path(found), path, home, trusted, depth=0)


def _installation(file: Path, path: str, home: Path, trusted: Trust, *, depth: int) -> Iterator[Path]:
    places = list(_links(file, trusted))
    if not places:
        return
    yield from places
    for place in places:
        yield from _environment_of(place.parent, home, trusted)
    real = places[-1]
    if "node_modules" in real.parts:
        yield Path(*real.parts[: real.parts.index("node_modules") + 1])
    prefix = real.parent.parent
    if real.parent.name == "bin" and not home.is_relative_to(prefix) and prefix != home / ".local":
        yield prefix
    if depth < MAX_INTERPRETERS and (interpreter := _interpreter(real, path)):
        yield from _installation(interpreter, path, home, trusted, depth=depth + 1)


def _links(file: Path, trusted: Trust) -> Iterator[Path]:
    """Yields the file and what it links to, up to the real one; stops where a place is not trusted."""
    for _ in range(MAX_LINKS):
        if not trusted(file) or not trusted(Path(os.path.realpath(file.parent), file.name)):
            return
        yield file
        if not file.is_symlink():
            break
        file = Path(os.path.normpath(file.parent / file.readlink()))
    if (real := Path(os.path.realpath(file))) != file and trusted(real):
        yield real


def _environment_of(folder: Path, home: Path, trusted: Trust) -> Iterator[Path]:
    """Yields the virtual environment whose programs are in the folder, and the Python that it was made from."""
    environment = folder.parent
    if trusted(environment) and (environment / "pyvenv.cfg").is_file():
        yield from (each for each in (environment, *_base_of(environment)) if not home.is_relative_to(each))


def _base_of(environment: Path) -> Iterator[Path]:
    text = (environment / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    if home := re.search(r"^home\s*=\s*(.+)$", text, re.MULTILINE):
        folder = Path(os.path.realpath(home[1].strip()))
        yield folder.parent if folder.name == "bin" else folder


def _interpreter(script: Path, path: str) -> Path | None:
    """Returns the program that a #! line names, also by way of `env`."""
    try:
        with script.open("rb") as file:
            line = file.read(HEAD_BYTES).split(b"\n", 1)[0]
    except OSError:
        return None
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if not words:
        return None
    if Path(words[0]).name == "env":
        name = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
        found = find_program(name, path=path) if name else None
        return None if found is None else Path(found)
    return Path(words[0])
