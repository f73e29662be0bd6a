"""The program `agent_library` as a real process, under a Python that has the stand-in of the library."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.standins import install_library
from swarm_worker.runners.library import PROGRAM


@dataclass(frozen=True)
class ChildEnd:
    """The end of the process: its code, the events on stderr, the envelope on stdout if there is one."""

    code: int
    events: list[dict[str, Any]]
    out: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The envelope, which is all that stdout carries."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def named(self, method: str) -> list[dict[str, Any]]:
        """Returns the parameters of the events of that name, in their order."""
        return [event["params"] for event in self.events if event["method"] == method]


@dataclass
class LibraryChild:
    """A folder with a project, a home and a task, in which turns run."""

    folder: Path
    session: str = "t-a1-builder-1"
    role: str = "builder"
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.project = self.folder / "project"
        self.sessions = self.folder / "sessions"
        self.python = install_library(self.folder / "bin")
        self.project.mkdir()
        (self.folder / "home").mkdir()
        self.declare(files=["a.txt"])
        self.faults()

    def declare(
        self, *calls: tuple[str, dict[str, object]], files: list[str] | None = None, reply: str = ""
    ) -> None:
        """Sets the declared files, the calls that replace the writing of those, and the reply after them."""
        script = [{"tool": tool, "arguments": arguments} for tool, arguments in calls]
        rehearsal = {"rehearsal": {self.role: [{"calls": script, "reply": reply}]}} if script else {}
        document = {"task_id": "t", "files": files or [], **rehearsal}
        (self.folder / "task.json").write_text(json.dumps(document))

    def faults(self, *names: str, **more: object) -> None:
        """Sets the faults of the sessions, in their order."""
        runs = {f"t/{self.role}": list(names)}
        (self.folder / "faults.json").write_text(json.dumps({"runs": runs, **more}))

    def start(self, *words: str, resumed: bool = False, prompt: str = "do it") -> subprocess.Popen[bytes]:
        """Starts a turn whose prompt is already written to its stdin."""
        argv = [
            *(str(self.python), str(PROGRAM), "run", "--session-id", self.session),
            *("--resume" if resumed else "--fresh", "--role", self.role, "--cwd", str(self.project)),
            *("--sessions", str(self.sessions), "--waits", "0.01", *words),
        ]
        process = subprocess.Popen(
            argv,
            cwd=self.project,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(prompt.encode())
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, *words: str, resumed: bool = False, prompt: str = "do it") -> ChildEnd:
        """Runs a turn to its end."""
        return end_of(self.start(*words, resumed=resumed, prompt=prompt))

    def answer(self, command: str, *words: str) -> dict[str, Any]:
        """Returns the answer to `about` or `check`."""
        argv = [str(self.python), str(PROGRAM), command, *words]
        if command == "check":
            argv += ["--role", self.role, "--cwd", str(self.project), "--sessions", "unused"]
        done = subprocess.run(
            argv, cwd=self.project, env=self.environment(), capture_output=True, check=True, timeout=60
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "ANTHROPIC_API_KEY": "k",
            "SWARM_TASK_ID": "t",
            "SWARM_ROLE": self.role,
            "SWARM_SESSION_ID": self.session,
            "SWARM_TASK_FILE": str(self.folder / "task.json"),
            "AMPLIFIER_STANDIN_FAULTS": str(self.folder / "faults.json"),
            "AMPLIFIER_STANDIN_LEDGER": str(self.folder / "ledger.jsonl"),
            **self.env,
        }

    def prompts(self, name: str = "") -> list[str]:
        """Returns the prompts of the committed turns."""
        path = self.sessions / "sessions" / (name or self.session) / "transcript.jsonl"
        return [json.loads(line)["content"] for line in path.read_text("utf-8").splitlines()]

    def states(self) -> list[str]:
        """Returns how the committed turns ended."""
        path = self.sessions / "sessions" / self.session / "turns.jsonl"
        return [json.loads(line)["state"] for line in path.read_text("utf-8").splitlines()]


def end_of(process: subprocess.Popen[bytes]) -> ChildEnd:
    """Waits for the end of a turn; every line of its stderr must be an event."""
    out, err = process.communicate(timeout=60)
    events = [json.loads(line) for line in err.decode().splitlines() if line.startswith('{"method"')]
    return ChildEnd(process.returncode, events, out.decode())
