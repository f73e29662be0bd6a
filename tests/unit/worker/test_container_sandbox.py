"""Sessions in real containers of podman: what they reach, their limits, and the proof that nothing is left."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import escapes
from support.cells import LIMITS, Cell, attacked, changed_in_git, new_cell, planted, reached
from support.git_repositories import git, new_repository
from support.sandbox_images import IMAGE, RUNTIME, containers, missing
from support.waiting import eventually
from swarm_worker.domain.sandbox import Resource, ResourceLimits
from swarm_worker.domain.types import StopOrder
from swarm_worker.guard.containers import end_container
from swarm_worker.sandbox.confinement import Confinement
from swarm_worker.sandbox.container import ContainerProbe
from swarm_worker.sandbox.container_probe import probe_containers, remove_leftover_containers, write_profile
from swarm_worker.sandbox.seccomp import container_profile
from swarm_worker.sandbox.visible import Binding
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd
from swarm_worker.supervision.stop_signal import Stop

MIB = 1024**2
SHADOW = Path("/etc/shadow").read_text(encoding="utf-8") if os.geteuid() == 0 else ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"no container here: {missing()}"),
]


@pytest.fixture(scope="module")
def probe() -> ContainerProbe:
    return probe_containers(IMAGE, RUNTIME, os.environ)


@pytest.fixture
def cell(tmp_path: Path, probe: ContainerProbe) -> Iterator[Cell]:
    assert probe.runtime is not None, probe.fault
    cell = new_cell(tmp_path)
    cell.env = {**cell.env, "SWARM_STATE": uuid.uuid4().hex[:12], "SWARM_TASK_ID": "t", "SWARM_ATTEMPT": "1"}
    runtime = replace(probe.runtime, seccomp=write_profile(tmp_path / "state" / "seccomp.json"))
    # The image brings its own Python.
    cell.confine(Confinement(container=runtime, network=False, bindings=[Binding(Path(escapes.__file__))]))
    yield cell
    assert containers(label(cell)) == ""


def label(cell: Cell) -> str:
    return f"swarm.state={cell.env['SWARM_STATE']}"


async def test_a_hostile_session_in_a_container_reaches_nothing(cell: Cell) -> None:
    with attacked(cell) as targets:
        ended = await cell.run("python3", "-I", escapes.__file__, targets)

    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 0), cell.output.err.decode()
    found = reached(cell.output.out)
    # The image has password files of its own.
    assert found.pop("read shadow", "") != SHADOW
    assert found == {}
    assert ended.receipt.survivors == 0
    assert not planted(cell)


async def test_a_session_works_in_its_workspace_with_stdin_a_home_and_a_tmp_of_its_own(cell: Cell) -> None:
    said = await cell.shell(
        "cat; echo made > file && echo h > ~/h && echo t > /tmp/t && cat ~/h /tmp/t && ls -A ~ && pwd"
        " && hostname && echo $MARK && umask >&2"
    )

    assert said.split() == ["h", "t", "h", str(cell.work), "sandbox", cell.env["MARK"], "0022"]
    assert (cell.work / "file").read_text(encoding="utf-8") == "made\n"
    assert not (cell.folder / "home" / "h").exists()


async def test_git_in_a_container_reads_borrowed_objects_and_can_t_write_them(cell: Cell) -> None:
    source = new_repository(cell.folder / "source" / "repo", {"a.txt": "one"})
    git(cell.folder, "clone", "--shared", "--quiet", str(source), str(cell.work))
    objects = source / ".git" / "objects"
    cell.confinement = cell.confinement.within(cell.work, lambda: [objects])

    said = await cell.shell(
        "echo two > a.txt && git -c user.name=n -c user.email=e commit -qam more && git log --format=%s"
        f" ; touch {objects}/planted ; ls {source}/.git/refs"
    )

    assert "more" in said
    assert "Read-only file system" in said
    assert "No such file" in said


async def test_a_shared_work_tree_keeps_its_hooks_and_settings_in_a_container(cell: Cell) -> None:
    assert await changed_in_git(cell) == []


async def test_links_that_one_container_leaves_lead_the_next_one_nowhere(cell: Cell, tmp_path: Path) -> None:
    tool = tmp_path / "home" / "tools"
    tool.mkdir()
    (tool / "note").write_text("of the tool", encoding="utf-8")
    await cell.shell("ln -s /etc ~/tools; ln -s / /tmp/other; mkdir -p /tmp/x")
    bindings = [*cell.confinement.bindings, Binding(tool)]
    cell.confinement = replace(cell.confinement, bindings=bindings)

    assert await cell.shell("cat ~/tools/note; touch ~/tools/more") != ""
    assert cell.output.out == b"of the tool"
    assert not (tool / "more").exists()


async def test_what_is_hidden_below_a_visible_folder_is_empty_in_a_container(cell: Cell) -> None:
    bindings = [*cell.confinement.bindings, Binding(cell.folder / "state")]
    cell.confinement = replace(cell.confinement, bindings=bindings)
    shown = cell.folder / "state" / "sessions" / "prompt.md"
    shown.write_text("the prompt", encoding="utf-8")

    await cell.run(
        "/bin/sh", "-c", f"cd {cell.folder}/state; ls; cat sessions/prompt.md; touch x", reads=[shown]
    )

    assert cell.output.out.decode().split() == ["sessions", "the", "prompt"]
    assert not (cell.folder / "state" / "x").exists()


def test_podman_of_an_ordinary_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert "ordinary user" in probe_containers(IMAGE, RUNTIME, os.environ).fault


@pytest.mark.parametrize(("script", "code"), [("kill -9 $$", -9), ("exit 42", 42)])
async def test_the_exit_code_is_that_of_the_program_in_the_container(
    cell: Cell, script: str, code: int
) -> None:
    assert (await cell.run("/bin/sh", "-c", script)).exit_code == code


async def test_a_limit_of_memory_ends_a_session_in_a_container(cell: Cell, probe: ContainerProbe) -> None:
    assert set(probe.limits) == set(Resource)
    cell.confinement = replace(cell.confinement, limits=ResourceLimits(memory_bytes=64 * MIB))

    ended = await cell.run("python3", "-c", "kept = []\nwhile True: kept.append(bytearray(8 << 20))")

    assert (ended.cause, ended.error, ended.receipt.survivors) == (EndCause.LIMIT, "memory (64M)", 0)


async def test_a_limit_of_processes_holds_in_a_container(cell: Cell) -> None:
    cell.confinement = replace(cell.confinement, limits=ResourceLimits(pids=20))

    ended = await cell.run("/bin/sh", "-c", "for i in $(seq 40); do sleep 30 & done; echo all")

    assert (ended.cause, ended.error, ended.receipt.survivors) == (EndCause.LIMIT, "pids (20)", 0)
    assert b"all" not in cell.output.out


async def test_an_order_lets_a_session_in_a_container_end_by_itself(cell: Cell) -> None:
    script = "trap 'echo saved > saved; exit 7' TERM; echo ready; while :; do sleep 0.05; done"

    ended = await _stopped(cell, script, grace_s=20)

    assert (ended.cause, ended.exit_code) == (EndCause.ORDER, 7)
    assert (cell.work / "saved").exists()
    assert ended.receipt.survivors == 0


async def test_a_session_in_a_container_that_ignores_sigterm_is_killed_with_what_it_started(
    cell: Cell,
) -> None:
    ended = await _stopped(
        cell, "trap '' TERM; setsid sleep 600 & echo ready; sleep 600; sleep 600", grace_s=1
    )

    assert (ended.cause, ended.receipt.survivors) == (EndCause.ORDER, 0)
    assert ended.receipt.killed >= 2


async def _stopped(cell: Cell, script: str, *, grace_s: float) -> RunEnd:
    """Orders the end of a session as soon as it prints."""
    cell.output.stdout = lambda chunk: stop.request(StopOrder("test", graceful=True))  # type: ignore[method-assign]
    stop = Stop(grace_s=grace_s)
    fence = Fence()
    fence.set_stop_after(60, since=now_s())
    launch = Launch(("/bin/sh", "-c", script), cell.work, cell.env, cell.folder / "state" / "one.lock")
    confined = cell.confinement.confine(launch, cell.private)
    return await run_guarded(confined, limits=LIMITS, fence=fence, stop=stop, sink=cell.output)


async def test_a_guard_that_is_killed_leaves_no_container(cell: Cell) -> None:
    running = asyncio.create_task(cell.run("/bin/sh", "-c", "echo ready; sleep 600"))
    await eventually(lambda: b"ready" in cell.output.out, "the session runs")
    guard = int((cell.folder / "state" / "one.lock").read_text(encoding="ascii").split()[0])

    os.kill(guard, signal.SIGKILL)
    ended = await running

    assert (ended.cause, ended.receipt.survivors) == (EndCause.LOST, 0)


async def test_the_next_start_removes_what_a_former_process_left(cell: Cell) -> None:
    runtime = cell.confinement.container
    assert runtime is not None
    launch = Launch(("sleep", "600"), cell.work, cell.env, cell.folder / "state" / "one.lock")
    confined = cell.confinement.confine(launch, cell.private)
    child = await asyncio.create_subprocess_exec(*confined.argv, env=confined.env)
    await eventually(lambda: containers(label(cell)), "the container is there")

    await asyncio.to_thread(remove_leftover_containers, runtime, cell.env, cell.env["SWARM_STATE"])

    assert containers(label(cell)) == ""
    await child.wait()


async def test_a_container_that_can_t_be_removed_is_a_survivor(cell: Cell) -> None:
    launch = Launch(("true",), cell.work, cell.env, cell.folder / "state" / "one.lock")
    confined = cell.confinement.confine(launch, cell.private)
    real = confined.container
    assert real is not None
    # It says of every container that it is there.
    broken = replace(confined, container=real._replace(runtime=["/bin/true"]))
    fence = Fence()
    fence.set_stop_after(60, since=now_s())

    ended = await run_guarded(broken, limits=LIMITS, fence=fence, stop=Stop(grace_s=1), sink=cell.output)

    assert (ended.cause, ended.receipt.survivors) == (EndCause.EXIT, 1)
    assert end_container(real, confined.env)


@pytest.mark.parametrize(
    ("image", "runtime", "fault"),
    [
        (IMAGE, "no-such-podman", "no-such-podman is not on PATH"),
        (IMAGE, "/bin/true", "gives no answer as a podman that starts containers itself"),
        (IMAGE, "podman 'run", "can't be split into words"),
        ("localhost/no-such-image", RUNTIME, "the image localhost/no-such-image is not on this machine"),
    ],
)
def test_what_can_t_start_containers_is_refused_with_its_reason(image: str, runtime: str, fault: str) -> None:
    found = probe_containers(image, runtime, os.environ)

    assert found.runtime is None
    assert fault in found.fault
    assert found.hint


def test_a_path_with_a_comma_is_refused(tmp_path: Path, cell: Cell) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    launch = Launch(("true",), folder, cell.env, tmp_path / "lock")

    with pytest.raises(OSError, match="a path with a comma can't be mounted"):
        cell.confinement.within(folder, tuple).confine(launch, cell.private)


@pytest.mark.parametrize("given", ["[]", "{}", '{"syscalls": [1]}', "no JSON"])
def test_a_profile_of_another_form_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"profile|Expecting"):
        container_profile(given)


def test_a_profile_keeps_the_other_calls_of_its_rules() -> None:
    rule = {"names": ["read", "keyctl", "unshare"], "action": "SCMP_ACT_ALLOW"}

    made = json.loads(container_profile(json.dumps({"syscalls": [rule, {"names": ["bpf"]}]})))

    assert [each["names"] for each in made["syscalls"]] == [["read"], ["clone"], ["clone3"]]
