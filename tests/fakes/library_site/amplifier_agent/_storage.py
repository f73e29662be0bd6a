"""The files of a session: committed at the end of a turn, locked while the session is open."""

import fcntl
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._errors import AgentError

VALID_ID = re.compile(r"[a-z0-9][a-z0-9-]{7,63}")


@dataclass
class SessionStore:
    """The stored state of one session: completed calls, the fault that it plays, and whether that struck."""

    sessions: Path
    name: str
    prompts: list[str] = field(default_factory=list)
    calls: int = 0
    fault: str = ""
    struck: bool = False
    turns: int = 0
    _lock: int = -1

    @property
    def folder(self) -> Path:
        return self.sessions / "sessions" / self.name

    def open(self, *, new: bool) -> None:
        """Locks the session and reads it; raises AgentError."""
        if not VALID_ID.fullmatch(self.name):
            raise AgentError(
                "session_id_invalid", f"{self.name!r} is no session id", "Use 8 to 64 characters."
            )
        locks = self.sessions / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(locks / self.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise AgentError("session_in_use", "another process has the session", "Wait for it.") from None
        if new and self.folder.exists():
            self.close()
            raise AgentError("already_exists", "the session exists", "Resume it, or use another id.")
        if not new and not self.folder.exists():
            self.close()
            raise AgentError("not_found", "there is no such session", "Create it.")
        if new:
            self.folder.mkdir(parents=True)
            (self.folder / "transcript.jsonl").touch()
        elif (self.folder / "turns.jsonl").exists():
            saved: dict[str, Any] = json.loads((self.folder / "metadata.json").read_text("utf-8"))
            self.calls, self.fault = saved["calls"], saved["fault"]
            self.struck, self.turns = saved["struck"], saved["turn_count"]

    def commit(self, state: str) -> None:
        """Writes the turn; failed and cancelled ones too."""
        self.turns += 1
        lines = "".join(json.dumps({"role": "user", "content": text}) + "\n" for text in self.prompts)
        (self.folder / "transcript.jsonl").write_text(lines, "utf-8")
        with (self.folder / "turns.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"turn": self.turns, "state": state}) + "\n")
        saved = {"session_id": self.name, "turn_count": self.turns, "calls": self.calls}
        saved |= {"fault": self.fault, "struck": self.struck}
        (self.folder / "metadata.json").write_text(json.dumps(saved), "utf-8")

    def close(self) -> None:
        os.close(self._lock)

    def delete(self) -> None:
        shutil.rmtree(self.folder)
