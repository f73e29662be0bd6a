"""The dashboard of a real swarm, with scripted sessions."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from support.git_repositories import new_repository
from support.programs import QUICK, ROOT, Program, Stage

PERFORMER = f"{sys.executable} -S -E {ROOT / 'tests' / 'fakes' / 'performer.py'}"
WORKER = ("--runner", "command", "--builder-command", PERFORMER, "--validator-command", PERFORMER)

Parts = Mapping[str, Mapping[str, Any]]


@dataclass
class Dashboard:
    """A swarm with its dashboard."""

    stage: Stage
    url: str = ""
    server: Program | None = None
    # What the sessions of each task do; see tests/fakes/performer.py.
    parts: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def start(self, *flags: str) -> None:
        """Starts the server; a restart keeps its address, for workers and for browsers."""
        place = self.url.removeprefix("http://") or "127.0.0.1:0"
        self.server = self.stage.swarmd("--dashboard", place, *(flags or QUICK))
        self.url = self.server.ready()["dashboard"]

    def stop(self) -> None:
        """Ends the server as an operator would."""
        assert self.server is not None
        assert self.server.end() == 0

    def plan(self, *tasks: Mapping[str, Any], **defaults: object) -> None:
        """Adds tasks, each as in a task file; a name is the id if there is none."""
        whole = [{"name": task["id"], **task} for task in tasks]
        text = yaml.safe_dump({"defaults": defaults, "tasks": whole}, sort_keys=False, allow_unicode=True)
        (self.stage.folder / "plan.yaml").write_text(text)
        self.stage.ctl("import", "plan.yaml")

    def worker(self, name: str = "w", *flags: str, parts: Parts | None = None) -> Program:
        """Starts a worker whose sessions follow their parts."""
        self.stage.project.mkdir(exist_ok=True)
        (self.stage.project / "cues").mkdir(exist_ok=True)
        self.parts |= parts or {}
        (self.stage.project / "parts.json").write_text(json.dumps(self.parts))
        worker = self.stage.worker(name, *WORKER, "--kill-grace", "0.5", *flags)
        worker.ready()
        return worker

    def repository(self, files: Mapping[str, str], parts: Parts) -> None:
        """Makes the project a git repository with these files; sessions in clones of it follow the parts."""
        self.stage.project.mkdir()
        # A clone has what is committed; a session in it waits for the cues of the project.
        cues = {"cues": str(self.stage.project / "cues")}
        self.parts |= {task: cues | dict(part) for task, part in parts.items()}
        written = {**files, ".gitignore": "/cues/\n", "parts.json": json.dumps(self.parts)}
        new_repository(self.stage.project, written)

    def cue(self, task: str, *lines: str) -> None:
        """Makes the held session of the task print lines; the line `end` ends it."""
        with (self.stage.project / "cues" / task).open("a") as cue:
            cue.writelines(f"{line}\n" for line in lines)

    def link(self) -> str:
        """Returns a link that logs a browser in as operator, once."""
        found: str = json.loads(self.stage.ctl("dashboard", "-o", "json").stdout)["url"]
        return found

    def own_token(self) -> str:
        """Returns the operator's token that the server has created."""
        return (self.stage.state / "token").read_text().strip()

    def token(self, role: str) -> str:
        """Creates a token of that role."""
        made = self.stage.ctl("token", "create", "--role", role, "--name", role, "-o", "json")
        found: str = json.loads(made.stdout)["token"]
        return found
