"""A hostile session in a real sandbox reaches nothing of the machine but what is listed."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import escapes
from support.cells import LIMITS, Cell, attacked, changed_in_git, new_cell, outside, planted, reached
from support.git_repositories import git, new_repository
from support.waiting import eventually
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.marked import find_marked
from swarm_worker.sandbox.abilities import BubblewrapProbe, probe_bubblewrap
from swarm_worker.sandbox.bwrap import Bubblewrap
from swarm_worker.sandbox.confinement import Confinement
from swarm_worker.sandbox.seccomp import KNOWN, filter_program
from swarm_worker.sandbox.visible import Binding, folders_on_path
from swarm_worker.storage.private_folder import remove_private
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch
from swarm_worker.supervision.stop_signal import Stop


def _probe() -> BubblewrapProbe:
    return probe_bubblewrap(Path("/nowhere"), os.environ)


pytestmark = pytest.mark.skipif(bool(_probe().fault), reason=f"no sandbox here: {_probe().fault}")


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    cell = new_cell(tmp_path)
    probe = _probe()
    seccomp = tmp_path / "state" / "seccomp"
    seccomp.write_bytes(filter_program())
    bubblewrap = Bubblewrap(probe.path, probe.options, seccomp if filter_program() else None)
    # The program of the hostile session, and the Python that runs it.
    bindings = [Binding(Path(escapes.__file__)), Binding(Path(sys.prefix)), Binding(Path(sys.base_prefix))]
    cell.confine(Confinement(bubblewrap=bubblewrap, network=False, bindings=bindings))
    return cell


async def test_a_hostile_session_reaches_nothing(cell: Cell) -> None:
    with attacked(cell) as targets:
        # Outside of the sandbox, the same session reaches most of it.
        free = json.loads(outside(cell, targets))

        ended = await cell.run(sys.executable, "-I", escapes.__file__, targets)

    assert ended.cause is EndCause.EXIT, cell.output.err.decode()
    assert reached(cell.output.out) == {}
    assert {"read token", "read other workspace", "environ of other", "port", "abstract socket"} <= {
        name for name, what in free.items() if what
    }
    assert ended.receipt.survivors == 0
    assert not planted(cell)


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
    assert await changed_in_git(cell) == []


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


def test_a_virtual_environment_on_path_is_visible_with_its_python_unless_a_session_could_write_there(
    tmp_path: Path,
) -> None:
    home, base, environment = tmp_path / "home", tmp_path / "python", tmp_path / "venv"
    for folder in (home / "bin", base / "bin", environment / "bin"):
        folder.mkdir(parents=True)
    config, path = environment / "pyvenv.cfg", str(environment / "bin")
    config.write_text(f"home = {base}/bin\n", encoding="utf-8")

    assert list(folders_on_path(path, home, lambda _: True)) == [environment / "bin", environment, base]
    assert list(folders_on_path(path, home, lambda place: place != environment)) == [environment / "bin"]
    config.write_text(f"home = {home}/bin\n", encoding="utf-8")
    assert home not in list(folders_on_path(path, home, lambda _: True)), (
        "a Python there does not show it all"
    )


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
