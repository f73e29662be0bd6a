"""A real Prometheus, as a process on a free port of its own choice."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from support.waiting import until

PROMETHEUS = shutil.which("prometheus")
MISSING: Final = "no Prometheus here: the tests of metrics, alerts and the Grafana dashboard are left out"
HINT: Final = "(Debian: apt-get install prometheus)"
needs_prometheus = pytest.mark.skipif(not PROMETHEUS, reason=f"{MISSING} {HINT}")
_LISTENS = "0A"


@dataclass(frozen=True)
class Prometheus:
    """A client of its HTTP API."""

    port: int

    def query(self, expr: str) -> list[Any]:
        """Evaluates the expression."""
        found: list[Any] = self.api("query", query=expr)["result"]
        return found

    def api(self, path: str, **given: str) -> Any:
        """Calls an API path; fails with the answer's text on an error."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{given}: {error.read().decode()}") from error


@contextmanager
def prometheus(folder: Path, config: Path) -> Iterator[Prometheus]:
    """Runs a Prometheus with that configuration for the duration of the block."""
    assert PROMETHEUS is not None
    argv = [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*argv, "--web.listen-address=127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        port = until(lambda: _port(process.pid), "Prometheus listens")
        until(lambda: _ready(port), "Prometheus is ready")
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait(30)


def _ready(port: int) -> bool:
    """Returns whether it has read its data; before that it refuses every query."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=30) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def _port(pid: int) -> int:
    """Returns the port that the process listens on, read from /proc; 0 while it does not."""
    try:
        links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return 0
    for line in lines:
        _, local, _, state, *rest = line.split()
        if state == _LISTENS and f"socket:[{rest[5]}]" in links:
            return int(local.rpartition(":")[2], 16)
    return 0


if __name__ == "__main__" and not PROMETHEUS:
    sys.stderr.write(f"{MISSING} {HINT}\n")
