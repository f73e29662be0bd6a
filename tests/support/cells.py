"""A worker's folders with a confinement, in which tests run what attacks it."""

import json
import os
import platform
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fakes import escapes
from support.git_repositories import new_repository
from support.sinks import SplitSink
from swarm_worker.sandbox.confinement import Confinement, guarded_git
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.hidden_paths import HiddenPaths
from swarm_worker.supervision.model import Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

SECRET = "the token of the swarm"  # what must not be read
LIMITS = RunLimits(timeout_s=60, stall_s=0, grace_s=2)
# What a hostile session writes below /tmp is in its own /tmp, and nowhere else.
ITS_OWN = ("leave", "write state", "write other workspace", "write beside the workspace")


@dataclass
class Cell:
    """A worker's folders on a machine, and the confinement of a task in one of them."""

    folder: Path
    confinement: Confinement
    env: Mapping[str, str]
    output: SplitSink = field(default_factory=SplitSink)

    @property
    def work(self) -> Path:
        return self.folder / "clones" / "own" / "work"

    @property
    def private(self) -> Path:
        return self.folder / "state" / "sessions" / "one.private"

    def confine(self, confinement: Confinement) -> None:
        """Sets the confinement, for the workspace of the cell."""
        self.confinement = confinement.within(self.work, tuple)

    async def run(self, *argv: str, reads: Sequence[Path] = (), private: Path | None = None) -> RunEnd:
        launch = Launch(
            argv,
            self.work,
            self.env,
            self.folder / "state" / "one.lock",
            hidden=HiddenPaths([self.folder / "state"]),
            reads=reads,
        )
        fence = Fence()
        fence.set_stop_after(60, since=now_s())
        return await run_guarded(
            self.confinement.confine(launch, private or self.private),
            limits=LIMITS,
            fence=fence,
            stop=Stop(grace_s=2),
            sink=self.output,
        )

    async def shell(self, script: str, *, private: Path | None = None) -> str:
        """Returns what a script prints."""
        self.output = SplitSink()
        await self.run("/bin/sh", "-c", script, private=private)
        return (self.output.out + self.output.err).decode()


def new_cell(folder: Path) -> Cell:
    """Returns a cell without a confinement, with secrets around its workspace."""
    for part in ("state/sessions", "clones/own/work", "clones/other/work", "home/.ssh", "source"):
        (folder / part).mkdir(parents=True)
    for secret in ("state/token", "state/swarm.db", "clones/other/work/code.py", "home/.ssh/id_rsa"):
        (folder / secret).write_text(SECRET, encoding="utf-8")
    mark = f"SWARM_STATE={uuid.uuid4().hex}"
    env = {"PATH": os.defpath, "HOME": str(folder / "home"), "MARK": mark}
    return Cell(folder, Confinement(), env)


@contextmanager
def attacked(cell: Cell) -> Iterator[str]:
    """Opens what a hostile session attacks, and yields its argument."""
    abstract = f"swarm-{uuid.uuid4().hex}"
    sleeper = subprocess.Popen(["/bin/sleep", "600"], env={"SECRET": SECRET})
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.socket(socket.AF_UNIX) as named,
            socket.socket(socket.AF_UNIX) as nameless,
        ):
            named.bind(str(cell.folder / "state" / "socket"))
            named.listen()
            nameless.bind(f"\0{abstract}")
            nameless.listen()
            yield _targets(cell, sleeper.pid, server.getsockname()[1], abstract)
    finally:
        sleeper.kill()
        sleeper.wait()


def reached(output: bytes | bytearray) -> dict[str, str]:
    """Returns what a hostile session reached that is not its own."""
    found: dict[str, str] = json.loads(output)
    return {name: what for name, what in found.items() if what and name not in ITS_OWN}


def planted(cell: Cell) -> list[Path]:
    """Returns what a hostile session wrote outside of its private folder."""
    return [path for path in cell.folder.rglob("planted*") if not path.is_relative_to(cell.private)]


def outside(cell: Cell, targets: str) -> str:
    """Returns the output of the same program without a sandbox, on copies of what it would write to."""
    given = json.loads(targets) | {"targets": {}, "pids": {"other": json.loads(targets)["pids"]["other"]}}
    code = (
        "import json,sys; sys.path.insert(0, sys.argv[2]); import escapes as e;"
        "e.became_root = e.kernel_settings = e.system_written = e.daemon = lambda: '';"
        "e.called = lambda *_: ''; e.main()"
    )
    folder = str(Path(escapes.__file__).parent)
    argv = (sys.executable, "-I", "-c", code, json.dumps(given), folder)
    return subprocess.run(argv, capture_output=True, text=True, check=True, env=dict(cell.env)).stdout


def _targets(cell: Cell, sleeper: int, port: int, abstract: str) -> str:
    source = new_repository(cell.folder / "source" / "repo")
    return json.dumps(
        {
            "secrets": {
                "token": str(cell.folder / "state/token"),
                "database": str(cell.folder / "state/swarm.db"),
                "other workspace": str(cell.folder / "clones/other/work/code.py"),
                "ssh key": str(cell.folder / "home/.ssh/id_rsa"),
                "shadow": "/etc/shadow",
                "through /proc/1/root": f"/proc/1/root{cell.folder}/state/token",
            },
            "targets": {
                "state": str(cell.folder / "state/planted"),
                "other workspace": str(cell.folder / "clones/other/work/planted"),
                "beside the workspace": str(cell.folder / "clones/own/planted"),
                "hook of the source": str(source / ".git/hooks/post-checkout"),
                "ref of the source": str(source / ".git/refs/heads/planted"),
                "object of the source": str(source / ".git/objects/planted"),
            },
            "pids": {"worker": os.getpid(), "other": sleeper, "parent": os.getppid()},
            "port": port,
            "abstract": f"\0{abstract}",
            "socket": str(cell.folder / "state/socket"),
            "keyctl": {"x86_64": 250, "aarch64": 219}.get(platform.machine(), 250),
            "own": [
                name
                for path in (cell.folder, Path(sys.prefix), Path(escapes.__file__))
                for name in path.parts[2:4]
            ],
        }
    )


async def changed_in_git(cell: Cell) -> list[str]:
    """Makes the workspace a shared work tree, and returns what a session changed of its hooks and settings."""
    cell.work.rmdir()
    new_repository(cell.work, {"a.txt": "one"})
    cell.confinement = replace(cell.confinement, guarded=list(guarded_git(cell.work)))
    said = await cell.shell(
        "echo x > .git/hooks/pre-commit; git config a.b c; mv .git elsewhere;"
        " echo two > a.txt && git -c user.name=n -c user.email=e commit -qam more && git log -1 --format=%s"
    )
    assert "more" in said.splitlines(), said
    changed = ["hooks"] if (cell.work / ".git/hooks/pre-commit").exists() else []
    return changed + (["config"] if "[a]" in (cell.work / ".git/config").read_text(encoding="utf-8") else [])
