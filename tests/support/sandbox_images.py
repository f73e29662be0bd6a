"""The image and the podman of tests that run sessions in containers."""

import os
import shutil
import subprocess
from functools import cache
from typing import Final

# Any image with Python, git and a shell serves. The tests make none, since that needs minutes and a mirror.
IMAGE: Final = "localhost/swarm-test-base"
# runc is refused without the limits where the machine has lower ones; crun fails on mixed control groups.
RUNTIME: Final = "podman --runtime runc run --ulimit nofile=1024:1024 --ulimit nproc=1000:1000"


@cache
def missing() -> str:
    """Returns why no session can run in a container here; empty if it can."""
    if os.geteuid() != 0:
        return "no root"
    if not (shutil.which("podman") and shutil.which("runc")):
        return "no podman with runc"
    done = subprocess.run(["podman", "image", "exists", IMAGE], capture_output=True, check=False)
    return f"no image {IMAGE}" if done.returncode else ""


def containers(label: str) -> str:
    """Returns the names of the containers with that label, in whatever state they are."""
    argv = ("podman", "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}")
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
