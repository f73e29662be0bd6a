"""Makes the virtual environment from the lock, by hash, and only after a change.

Invariant: this program runs on the machine's own Python before anything is installed. So it uses the
standard library alone, in a syntax that Python 3.6 reads: a Python that is too old gets a sentence, not a
SyntaxError.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

OLDEST = (3, 11)
# Tried in this order if `python3` is too old; CI tests the first one most.
NEWER = ("python3.11", "python3.12", "python3.13")

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
# The sources of the installed project's metadata.
PROJECT = (ROOT / "pyproject.toml", ROOT / "protos" / "amplifier_swarm" / "__init__.py")

# The number of pip's last lines that are printed; a line may list every version of a package.
LINES_OF_PIP, LINE_OF_PIP = 12, 300


def main() -> None:
    """Brings the environment that argv names up to date; costs nothing if it is."""
    if sys.version_info < OLDEST:
        restart_with(newer_python() or stop(too_old(sys.version_info)))
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".venv").resolve()
    ready = target / ".ready"
    have = ready.read_text().split() if ready.exists() and usable(target) else []
    want = [environment_stamp(target), project_stamp()]
    if have == want:
        return
    started_s = time.monotonic()
    if have[:1] != want[:1]:
        make_environment(target)
    ready.unlink(missing_ok=True)
    pip(target, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    ready.write_text("\n".join(want) + "\n")
    say(f"{target.name} is ready ({time.monotonic() - started_s:.0f} s)")


def too_old(version: tuple) -> str:  # type: ignore[type-arg]  # Python 3.8 can't read tuple[int, ...]
    """Returns the message for a Python that is too old."""
    have, need = ".".join(map(str, version[:3])), ".".join(map(str, OLDEST))
    return f"Python {have} is too old; install Python {need} or newer, then run `make setup` again"


def newer_python() -> str:
    """Returns the path of a Python that is new enough, or nothing. Runs each: a pyenv shim may lead
    nowhere.
    """
    for name in NEWER:
        path = shutil.which(name)
        if path and subprocess.call([path, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return path
    return ""


def restart_with(path: str) -> None:
    """Becomes the same program on another Python."""
    os.execv(path, [path, *sys.argv])  # noqa: S606  # no shell is wanted


def usable(target: Path) -> bool:
    """Returns whether the environment's Python still exists: it is a link to a place outside."""
    return os.access(str(target / "bin" / "python"), os.X_OK)


def environment_stamp(target: Path) -> str:
    """Changes with all that the environment is made of; its path too, as its files hold it."""
    return stamp(LOCK.read_bytes() + f"{sys.version_info[:3]} {target} {ROOT}".encode())


def project_stamp() -> str:
    """Changes with what the project says of itself."""
    return stamp(b"".join(path.read_bytes() for path in PROJECT))


def stamp(content: bytes) -> str:
    """Returns a short hash of that content."""
    return hashlib.sha256(content).hexdigest()[:16]


def make_environment(target: Path) -> None:
    """Builds it from nothing, so that no package stays that the lock has dropped."""
    try:
        import ensurepip  # noqa: F401, PLC0415  # Debian packs it apart
    except ImportError:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        stop(
            f"this Python can't make environments; run `sudo apt install {package}`, then `make setup` again"
        )
    say("making {} with Python {}.{}.{}".format(target.name, *sys.version_info[:3]))
    # Not the running Python: in an activated environment that is the environment's own, which is removed now.
    python = getattr(sys, "_base_executable", "") or sys.executable
    run([python, "-m", "venv", "--clear", str(target)], "venv failed")
    # Wheels only: a package without a wheel for this machine fails at once, not after minutes of compiling.
    pip(target, "--only-binary=:all:", "--no-compile", "--require-hashes", "-r", str(LOCK))


def pip(target: Path, *arguments: str) -> None:
    """Installs into the environment."""
    command = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    run(
        [*command, "--disable-pip-version-check", *arguments],
        "pip failed; if that is the network, run `make setup` again",
    )


def run(command: list, problem: str) -> None:  # type: ignore[type-arg]  # as above
    """Runs it; shows what it said only if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, check=False)
    if done.returncode:
        said = done.stdout.decode(errors="replace").rstrip().split("\n")
        shown = [line[:LINE_OF_PIP] for line in said if not line.startswith("WARNING:")]
        stop("\n".join([*shown[-LINES_OF_PIP:], f"setup: {problem}"]), prefix="")


def say(text: str, *, prefix: str = "setup: ") -> None:
    """Talks to whoever waits."""
    sys.stderr.write(f"{prefix}{text}\n")


def stop(text: str, *, prefix: str = "setup: ") -> NoReturn:
    """Ends with that."""
    say(text, prefix=prefix)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
