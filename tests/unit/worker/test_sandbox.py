"""A hostile session in a real sandbox reaches nothing of the machine but what is listed."""

import json
import os
import platform
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fakes import escapes
from support.git_repositories import git, new_repository
from support.waiting import eventually
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.marked import find_marked
from swarm_worker.sandbox.abilities import BubblewrapProbe, probe_bubblewrap
from swarm_worker.sandbox.bwrap import Bubblewrap
from swarm_worker.sandbox.confinement import Confinement, guarded_git
from swarm_worker.sandbox.seccomp import KNOWN, filter_program
from swarm_worker.sandbox.visible import Binding
from swarm_worker.storage.private_folder import remove_private
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.hidden_paths import HiddenPaths
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

SECRET = "the token of the swarm"  # what must not be read
LIMITS = RunLimits(timeout_s=60, stall_s=0, grace_s=2)


def _probe() -> BubblewrapProbe:
    return probe_bubblewrap(Path("/nowhere"), os.environ)


pytestmark = pytest.mark.skipif(bool(_probe().fault), reason=f"no sandbox here: {_probe().fault}")


@dataclass
class Output:
    """A sink that keeps all output."""

    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    stall_factor: float = 1.0

    def stdout(self, chunk: bytes) -> None:
        self.out += chunk

    def stderr(self, chunk: bytes) -> None:
        self.err += chunk


@dataclass
class Cell:
    """A worker's folders on a machine, and the confinement of a task in one of them."""

    folder: Path
    confinement: Confinement
    env: Mapping[str, str]
    output: Output = field(default_factory=Output)

    @property
    def work(self) -> Path:
        return self.folder / "clones" / "own" / "work"

    @property
    def private(self) -> Path:
        return self.folder / "state" / "sessions" / "one.private"

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
        self.output = Output()
        await self.run("/bin/sh", "-c", script, private=private)
        return (self.output.out + self.output.err).decode()


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    home = tmp_path / "home"
    for part in ("state/sessions", "clones/own/work", "clones/other/work", "home/.ssh", "source"):
        (tmp_path / part).mkdir(parents=True)
    for secret in ("state/token", "state/swarm.db", "clones/other/work/code.py", "home/.ssh/id_rsa"):
        (tmp_path / secret).write_text(SECRET, encoding="utf-8")
    probe = _probe()
    seccomp = tmp_path / "state" / "seccomp"
    seccomp.write_bytes(filter_program())
    bubblewrap = Bubblewrap(probe.path, probe.options, seccomp if filter_program() else None)
    # The program of the hostile session, and the Python that runs it.
    bindings = [Binding(Path(escapes.__file__)), Binding(Path(sys.prefix)), Binding(Path(sys.base_prefix))]
    confinement = Confinement(bubblewrap=bubblewrap, network=False, bindings=bindings)
    mark = f"SWARM_STATE={uuid.uuid4().hex}"
    env = {"PATH": os.defpath, "HOME": str(home), "MARK": mark}
    cell = Cell(tmp_path, confinement, env)
    cell.confinement = confinement.within(cell.work, tuple)
    return cell


@pytest.fixture
def sleeper() -> Iterator[int]:
    """Runs a process of the machine that a session must not reach."""
    child = subprocess.Popen(["/bin/sleep", "600"], env={"SECRET": SECRET})
    yield child.pid
    child.kill()
    child.wait()


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


async def test_a_hostile_session_reaches_nothing(cell: Cell, sleeper: int) -> None:
    abstract = f"swarm-{uuid.uuid4().hex}"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as nameless,
    ):
        named.bind(str(cell.folder / "state" / "socket"))
        named.listen()
        nameless.bind(f"\0{abstract}")
        nameless.listen()
        targets = _targets(cell, sleeper, server.getsockname()[1], abstract)
        # Outside of the sandbox, the same session reaches most of it.
        free = json.loads(_outside(cell, targets))

        ended = await cell.run(sys.executable, "-I", escapes.__file__, targets)

    assert ended.cause is EndCause.EXIT, cell.output.err.decode()
    found = json.loads(cell.output.out)
    # What it wrote below /tmp is in its own /tmp, and nowhere else.
    ours = ("leave", "write state", "write other workspace", "write beside the workspace")
    assert {name: what for name, what in found.items() if what and name not in ours} == {}
    assert {"read token", "read other workspace", "environ of other", "port", "abstract socket"} <= {
        name for name, what in free.items() if what
    }
    assert ended.receipt.survivors == 0
    assert not [path for path in cell.folder.rglob("planted*") if not path.is_relative_to(cell.private)]


def _outside(cell: Cell, targets: str) -> str:
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


async def test_a_session_works_in_its_workspace_with_a_home_and_a_tmp_of_its_own(cell: Cell) -> None:
    said = await cell.shell(
        "echo made > file && echo h > ~/h && echo t > /tmp/t && cat ~/h /tmp/t && ls -A ~ && pwd && hostname"
    )

    assert said.split() == ["h", "t", "h", str(cell.work), "sandbox"]
    assert (cell.work / "file").read_text(encoding="utf-8") == "made\n"
    assert not (cell.folder / "home" / "h").exists()
    remove_private(cell.private)
    assert not cell.private.exists()


async def test_git_reads_borrowed_objects_and_can_t_write_them(cell: Cell) -> None:
    source = new_repository(cell.folder / "source" / "repo", {"a.txt": "one"})
    git(cell.folder, "clone", "--shared", "--quiet", str(source), str(cell.work))
    objects = source / ".git" / "objects"
    cell.confinement = cell.confinement.within(cell.work, lambda: [objects])

    said = await cell.shell(
        "git log --format=%s && echo two > a.txt && git -c user.name=n -c user.email=e commit -qam more"
        " && git log --format=%s"
        f" ; touch {objects}/planted ; ls {source}/.git/refs"
    )

    assert "more" in said
    assert "Read-only file system" in said
    assert "No such file" in said
    assert not (objects / "planted").exists()


async def test_a_shared_work_tree_keeps_its_hooks_and_settings(cell: Cell) -> None:
    cell.work.rmdir()
    new_repository(cell.work, {"a.txt": "one"})
    cell.confinement = replace(cell.confinement, guarded=list(guarded_git(cell.work)))

    said = await cell.shell(
        "echo x > .git/hooks/pre-commit; git config a.b c; mv .git elsewhere;"
        " echo two > a.txt && git -c user.name=n -c user.email=e commit -qam more && git log -1 --format=%s"
    )

    assert "more" in said.splitlines()
    assert not (cell.work / ".git/hooks/pre-commit").exists()
    assert "[a]" not in (cell.work / ".git/config").read_text(encoding="utf-8")


async def test_links_that_one_turn_leaves_lead_the_next_one_nowhere(cell: Cell, tmp_path: Path) -> None:
    tool = tmp_path / "home" / "tools"
    tool.mkdir()
    (tool / "note").write_text("of the tool", encoding="utf-8")
    free = replace(cell.confinement, bindings=list(cell.confinement.bindings))
    await cell.shell(f"ln -s /oldroot{tmp_path}/state ~/tools; ln -s / /tmp/other; mkdir -p /tmp/x")
    cell.confinement = replace(free, bindings=[*free.bindings, Binding(tool)])

    said = await cell.shell("cat ~/tools/note")

    assert said == "of the tool"
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [
        "seccomp",
        "sessions",
        "swarm.db",
        "token",
    ]


async def test_the_end_of_a_session_ends_what_it_left(cell: Cell) -> None:
    mark = f"MARK={cell.env['MARK']}".encode()

    ended = await cell.run("/bin/sh", "-c", "setsid sleep 600 & setsid sleep 600 & exit 3")

    assert (ended.cause, ended.exit_code, ended.receipt.survivors) == (EndCause.EXIT, 3, 0)
    await eventually(lambda: not find_marked(frozenset({mark})), "nothing is left")


async def test_an_order_lets_a_session_end_by_itself(cell: Cell) -> None:
    cell.output.stdout = lambda chunk: stop.request(StopOrder("test", graceful=True))  # type: ignore[method-assign]
    stop = Stop(grace_s=20)
    script = "trap 'echo saved > saved; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    launch = Launch(("/bin/sh", "-c", script), cell.work, cell.env, cell.folder / "state" / "one.lock")
    fence = Fence()
    fence.set_stop_after(60, since=now_s())

    ended = await run_guarded(
        cell.confinement.confine(launch, cell.private),
        limits=LIMITS,
        fence=fence,
        stop=stop,
        sink=cell.output,
    )

    assert (ended.cause, ended.exit_code) == (EndCause.ORDER, 7)
    assert (cell.work / "saved").exists()
    assert ended.receipt.survivors == 0


@pytest.mark.parametrize(("script", "code"), [("kill -9 $$", -9), ("kill -11 $$", -11), ("exit 42", 42)])
async def test_the_exit_code_is_that_of_the_program(cell: Cell, script: str, code: int) -> None:
    assert (await cell.run("/bin/sh", "-c", script)).exit_code == code


async def test_a_program_on_path_that_is_a_link_to_another_installation_starts(cell: Cell) -> None:
    """A virtual environment that is active has such a link to the Python that it was made from."""
    tools, base = cell.folder / "tools" / "bin", cell.folder / "base" / "bin"
    for folder in (tools, base):
        folder.mkdir(parents=True)
    (base / "agent").write_text("#!/bin/sh\necho started\n", encoding="utf-8")
    (base / "agent").chmod(0o700)
    (tools / "agent").symlink_to(base / "agent")
    cell.env = {**cell.env, "PATH": f"{tools}:{os.defpath}"}

    await cell.run("agent")

    assert (cell.output.out + cell.output.err).decode() == "started\n"


def test_nothing_in_a_workspace_decides_what_is_visible(cell: Cell) -> None:
    (cell.work / "bin").mkdir()
    (cell.work / "agent").write_text(f"#!{cell.folder}/home/.ssh/id_rsa\n", encoding="utf-8")
    (cell.work / "agent").chmod(0o700)
    (cell.work / "bin" / "link").symlink_to(cell.folder / "home" / ".ssh" / "id_rsa")
    launch = Launch(
        (str(cell.work / "agent"),),
        cell.work,
        {"PATH": f"{cell.work}/bin", "HOME": str(cell.folder / "home")},
        cell.folder / "lock",
    )

    argv = cell.confinement.confine(launch, cell.private).argv

    assert not [word for word in argv if ".ssh" in word]


@pytest.mark.parametrize("machine", KNOWN)
def test_each_filter_ends_with_allow_and_denies_the_same_number_of_calls(machine: str) -> None:
    program = filter_program(machine)

    assert len(program) % 8 == 0
    assert program[-8:] == bytes([6, 0, 0, 0, 0, 0, 0xFF, 0x7F])
    assert program.count(bytes([6, 0, 0, 0, 1, 0, 5, 0])) >= len(KNOWN[machine].denied) + 1


def test_a_machine_with_unknown_numbers_gets_no_filter() -> None:
    assert filter_program("sparc") == b""


def test_a_folder_without_rights_is_removed_too(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    (folder / "home" / "closed" / "deep").mkdir(parents=True)
    (folder / "home" / "link").symlink_to(tmp_path)
    (folder / "home" / "closed").chmod(0)

    remove_private(folder)

    assert not folder.exists()
    assert tmp_path.exists()


def test_a_project_root_around_the_home_folder_is_refused(tmp_path: Path) -> None:
    found = probe_bubblewrap(tmp_path, {"HOME": str(tmp_path / "home"), "PATH": os.defpath})

    assert "contains the home folder" in found.fault


def test_a_machine_without_bubblewrap_says_how_to_get_it(tmp_path: Path) -> None:
    found = probe_bubblewrap(tmp_path, {"HOME": "/nowhere", "PATH": str(tmp_path)})

    assert (found.fault, "apt install bubblewrap" in found.hint) == ("bwrap is not on PATH", True)
