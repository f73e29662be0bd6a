"""podman as the tests use it: a base image from Debian's packages, our images on it, and containers that end.

Everything is named by this module, so that nothing of the machine's own is touched. The base replaces the one of a
registry: builds of CI reach no registry of images, and their containers have the network of the host.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from support.programs import BIN, ROOT, missing_for
from support.waiting import until

PROGRAMS: Final = ("podman", "buildah", "runc", "mmdebstrap")
CACHE: Final = ROOT / ".tools" / "containers"
BASE: Final = "localhost/swarm-test-base"
# With pytest, which the checks of the quickstart plan call.
PACKAGES: Final = "python3,python3-venv,python3-pytest,python-is-python3,ca-certificates,git"
IMAGES: Final = ("swarmd", "swarm-worker", "amplifier-swarm")
# runc is refused without the limits where the machine has lower ones; crun fails on mixed control groups.
SETTINGS: Final = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
netns = "host"
[engine]
runtime = "runc"
events_logger = "file"
"""


def missing() -> str:
    """Returns why no container can run here, in one line; empty if they can."""
    return missing_for("containers", PROGRAMS, variable="SWARM_TEST_CONTAINERS", target="test-containers")


def environment() -> dict[str, str]:
    """Returns the environment in which podman runs containers here."""
    CACHE.mkdir(parents=True, exist_ok=True)
    settings = CACHE / "containers.conf"
    settings.write_text(SETTINGS)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM", "MAKE"))}
    return own | {"CONTAINERS_CONF": str(settings), "BUILDAH_ISOLATION": "chroot"}


def podman(*argv: str, check: bool = True, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs podman and returns its result."""
    done = subprocess.run(
        ["podman", *argv], env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout_s, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or not check, f"podman {argv}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def build_images() -> dict[str, str]:
    """Builds the base, unless it is there, and our images on it; returns the variables for `make images`."""
    if podman("image", "exists", BASE, check=False).returncode:
        archive = CACHE / "base.tar"
        debian = ("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(archive))
        subprocess.run(debian, check=True, capture_output=True, timeout=600)
        podman("import", "-q", str(archive), BASE)
        archive.unlink()
    wheels, lock = CACHE / "wheels", ROOT / "requirements.lock"
    version = podman(
        "run", "--rm", BASE, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"
    ).stdout
    pip = (sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--require-hashes")
    argv = (*pip, "--python-version", version.strip(), "-r", str(lock), "-d", str(wheels))
    subprocess.run(argv, check=True, capture_output=True, timeout=600)
    flags = f"--pull=never --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/given --volume {wheels}:/given:ro"
    variables = {"BASE": BASE, "IMAGE_FLAGS": flags, "MAKEFLAGS": f"PYTHON=true VENV={BIN.parent}"}
    done = subprocess.run(
        ["make", "-s", "images"], cwd=ROOT, env=environment() | variables, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return variables


@dataclass(frozen=True)
class Container:
    """A running container."""

    name: str

    def exec(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a program in it and returns the result."""
        return podman("exec", self.name, *argv, check=check)

    def logs(self) -> str:
        """Returns what it has written so far, on both streams."""
        done = podman("logs", self.name)
        return done.stdout + done.stderr

    def until_said(self, text: str) -> str:
        """Waits until a line with the text is in the log; returns the line. Fails if the container ends first."""

        def line() -> str:
            logs = self.logs()
            found = next((line for line in logs.splitlines() if text in line), "")
            assert found or self.state()["Running"], f"{self.name} ended before it said {text!r}:\n{logs}"
            return found

        return until(line, f"{self.name} says {text!r}")

    def state(self) -> dict[str, Any]:
        """Returns the state as podman reports it."""
        found: dict[str, Any] = json.loads(podman("inspect", self.name).stdout)[0]["State"]
        return found

    def exit_code(self) -> int:
        """Waits for the end and returns the exit code."""
        return int(podman("wait", self.name).stdout)

    def health(self) -> int:
        """Runs the health check of the image once; returns 0 if the container is healthy."""
        return podman("healthcheck", "run", self.name, check=False).returncode


@contextmanager
def running(image: str, name: str, *argv: str, flags: Sequence[str] = ()) -> Iterator[Container]:
    """Starts a container in the background, and removes it at the end, whatever state it is in."""
    podman("rm", "-f", "-i", "-t", "0", name)
    podman("run", "-d", "--name", name, *flags, image, *argv)
    try:
        yield Container(name)
    finally:
        podman("rm", "-f", "-i", "-t", "0", name)


@contextmanager
def new_volume() -> Iterator[str]:
    """Makes a volume, and removes it at the end."""
    name = f"swarm-test-{uuid.uuid4().hex[:8]}"
    podman("volume", "create", name)
    try:
        yield name
    finally:
        podman("volume", "rm", "-f", name)


def run_once(image: str, *argv: str, flags: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Runs a container to its end and returns the result."""
    return podman("run", "--rm", *flags, image, *argv, check=False)
