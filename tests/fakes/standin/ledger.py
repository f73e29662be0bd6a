"""The record of what really happened: a line of JSON for each start, answer, orphan and end, synced to disk.

The stand-ins write it, the tests read it. A run without an end line was killed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Ledger:
    """A file that many processes append to; without a path nothing is recorded."""

    path: Path | None

    def add(self, **line: Any) -> None:
        """Appends a line in one write."""
        if self.path is None:
            return
        data = json.dumps(line).encode() + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lines(self, event: str = "") -> Iterator[dict[str, Any]]:
        """Yields the lines so far, all or those of one event."""
        if self.path is None or not self.path.exists():
            return
        for text in self.path.read_text("utf-8").splitlines():
            line = json.loads(text)
            if event in ("", line["event"]):
                yield line

    def runs(self, task: str, role: str) -> int:
        """Returns how many sessions of that task and role have started; resumed turns do not count."""
        return sum(
            (line["task"], line["role"], line["resumed"]) == (task, role, False)
            for line in self.lines("start")
        )

    def alive(self) -> list[int]:
        """Returns the pids of sessions and orphans that are still alive."""
        named = [line for line in self.lines() if line["event"] in ("start", "orphan")]
        return [line["pid"] for line in named if started(line["pid"]) == line["born"]]


def started(pid: int) -> str:
    """Returns the start time of a process in ticks since the boot; empty if it has exited or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def ledger_of(environ: Mapping[str, str]) -> Ledger:
    """Returns the ledger that AMPLIFIER_STANDIN_LEDGER names."""
    name = environ.get("AMPLIFIER_STANDIN_LEDGER", "")
    return Ledger(Path(name) if name else None)
