"""A folder with the stand-ins on PATH, a home and a project, and the output of the stand-ins."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.standin.ledger import Ledger


@dataclass(frozen=True)
class Done:
    """The exit code and output of a program."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Returns the events on stderr."""
        found = []
        for line in self.err.split("\n"):
            try:
                event = json.loads(line)
                found.append((str(event["method"]), dict(event["params"])))
            except (ValueError, TypeError, KeyError):
                continue
        return found

    def named(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.events if name == method]

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Returns the JSON documents on stdout, without the text before them."""
        found, text = [], self.out
        while (start := text.find("{\n")) >= 0:
            value, end = json.JSONDecoder().raw_decode(text, start)
            found.append(value)
            text = text[end:]
        return found


@dataclass
class Place:
    """A folder in which the stand-ins run."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def sessions(self) -> Path:
        """Returns the sessions folder of the workspace `w` of amplifier-agent."""
        return self.home / ".amplifier-agent" / "state" / "workspaces" / "w" / "sessions"

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger.jsonl")

    def task(self, role: str = "builder", *, attempt: int = 1, **fields: object) -> None:
        """Sets the variables that the worker would set for that task."""
        (self.folder / "task.json").write_text(json.dumps({"task_id": "t1", **fields}))
        self.env |= {"SWARM_TASK_ID": "t1", "SWARM_ROLE": role, "SWARM_ATTEMPT": str(attempt)}
        self.env["SWARM_TASK_FILE"] = str(self.folder / "task.json")

    def faults(self, *, builder: Sequence[str] = (), validator: Sequence[str] = (), **more: object) -> None:
        """Sets the faults of the task's runs, in their order."""
        runs = {"t1/builder": list(builder), "t1/validator": list(validator)}
        (self.folder / "faults.json").write_text(json.dumps({"runs": runs, **more}))
        self.env["AMPLIFIER_STANDIN_FAULTS"] = str(self.folder / "faults.json")

    def start(self, program: str, *argv: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(self.folder / "bin" / program), *argv],
            cwd=cwd or self.project,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, program: str, *argv: str, stdin: str = "", cwd: Path | None = None) -> Done:
        process = self.start(program, *argv, cwd=cwd)
        out, err = process.communicate(stdin, timeout=30)
        return Done(process.returncode, out, err)

    def turn(self, *more: str, prompt: str = "Do it.", session: str = "s1", cwd: Path | None = None) -> Done:
        """Runs a turn of amplifier-agent with the arguments of its contract."""
        return self.run(
            "amplifier-agent", *turn_argv(self.project, *more, prompt=prompt, session=session), cwd=cwd
        )

    def cli(self, *more: str, stdin: str = "Do it.") -> Done:
        """Runs a turn of amplifier, the prompt on stdin."""
        return self.run("amplifier", "run", "--mode", "single", "--output-format", "json", *more, stdin=stdin)

    def log(self, session: str) -> list[Mapping[str, Any]]:
        """Returns the events of a session of amplifier."""
        return [json.loads(line) for line in (self.kept(session) / "events.jsonl").read_text().splitlines()]

    def kept(self, session: str) -> Path:
        """Returns the folder in which amplifier stores a session."""
        slug = str(self.project.resolve()).replace("/", "-")
        return self.home / ".amplifier" / "projects" / slug / "sessions" / session


def turn_argv(project: Path, *more: str, prompt: str, session: str) -> list[str]:
    how = [] if "--resume" in more else ["--fresh"]
    argv = ["run", "--session-id", session, *how, "--cwd", str(project), "--output", "json"]
    argv += ["--protocol-version", "0.3.0", "--display", "ndjson", "--workspace", "w", *more]
    return [*argv, "-y", "--", prompt]
