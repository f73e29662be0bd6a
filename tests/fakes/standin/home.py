"""The home folder of each program: the prepared cache and, for `amplifier-agent`, the sessions.

As in the original, a session's id is not checked as a path, and its folder is created by the first tool call.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .faults import Fault

RACE = (
    "could not lock config file {cache}/bundles/.git/config: File exists;"
    " Module 'context-simple' has no valid Python package"
)


class ColdRace(Exception):
    """An error for two processes that warm the cache at once."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder $AMPLIFIER_AGENT_HOME, or that of the other program."""

    path: Path

    @property
    def cold(self) -> bool:
        return not (self.path / "cache" / "prepared").exists()

    def warm(self, takes_s: float) -> None:
        """Fills the cache unless it is warm; raises ColdRace if another process fills it."""
        if not self.cold:
            return
        cache = self.path / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / "lock") as mine:
            if not mine:
                raise ColdRace(RACE.format(cache=cache))
            end_s = time.monotonic() + takes_s
            while time.monotonic() < end_s:
                time.sleep(0.02)
            (cache / "prepared").touch()

    def session(self, workspace: str, session: str) -> "SessionFolder":
        return SessionFolder(self, self.path / "state" / "workspaces" / workspace / "sessions" / session)


@dataclass(slots=True)
class SessionFolder:
    """The folder of a session."""

    home: Home
    path: Path
    messages: list[dict[str, object]] = field(default_factory=list)

    def discard(self) -> None:
        """Deletes the folder that the id leads to, unless it is outside of the home."""
        if self.path.resolve().is_relative_to(self.home.path.resolve()):
            shutil.rmtree(self.path, ignore_errors=True)

    def load(self) -> Fault | None:
        """Loads the stored session; returns the fault of its last turn, None if nothing is stored."""
        transcript = self.path / "transcript.jsonl"
        if not transcript.exists():
            return None
        self.messages = [json.loads(line) for line in transcript.read_text("utf-8").splitlines()]
        metadata = json.loads((self.path / "metadata.json").read_text("utf-8"))
        return Fault(metadata.get("standin_fault", Fault.NONE))

    def save(self, fault: Fault, **metadata: object) -> None:
        """Writes the transcript so far."""
        self.path.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(message) + "\n" for message in self.messages)
        (self.path / "transcript.jsonl").write_text(lines, "utf-8")
        (self.path / "metadata.json").write_text(json.dumps({"standin_fault": fault, **metadata}), "utf-8")

    def audit(self, exit_code: int, *, began: str, ended: str) -> None:
        """Writes the record of a finished turn."""
        folder = self.path / "audits"
        folder.mkdir(parents=True, exist_ok=True)
        document = {"exitCode": exit_code, "startedAt": began, "endedAt": ended}
        (folder / "turn-turn-1.json").write_text(json.dumps(document), "utf-8")


def cold_s(environ: Mapping[str, str]) -> float:
    """Returns how long it takes to fill a cold cache."""
    return float(environ.get("AMPLIFIER_STANDIN_COLD_S", "0.2"))


def home_of(environ: Mapping[str, str]) -> Home:
    """Returns the home that the environment names."""
    named = environ.get("AMPLIFIER_AGENT_HOME", "")
    return Home(Path(named) if named else Path.home() / ".amplifier-agent")


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
