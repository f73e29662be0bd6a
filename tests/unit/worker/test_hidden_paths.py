"""Under containment with namespaces, sessions see neither tokens nor the worker's state."""

import os
import uuid
from pathlib import Path

import pytest

from amplifier_swarm.state_paths import make_state_folder, project_state
from fakes.containment_levels import level
from support.sinks import MergedSink
from swarm_worker.guard.containment import PIDNS, Containment
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.hidden_paths import HiddenPaths, hidden_paths
from swarm_worker.supervision.model import Launch, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a project with a swarm's folder in it, and enters it."""
    project = tmp_path / "project"
    for folder in (".swarm/worker/w1/sessions", ".swarm/prompts", "src"):
        (project / folder).mkdir(parents=True)
    for file in (".swarm/token", ".swarm/swarm.db", ".swarm/.gitignore", ".swarm/prompts/builder.md"):
        (project / file).write_text(f"content of {file}\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "no-state"))
    monkeypatch.chdir(project)
    return project


def test_the_swarm_s_folder_is_hidden_but_for_what_belongs_to_the_project(project: Path) -> None:
    found = hidden_paths(project / ".swarm" / "worker", project, ())

    assert found.folders == [project / ".swarm"]
    assert found.kept == [project / ".swarm/prompts", project / ".swarm/.gitignore"]


def test_the_state_of_every_project_of_the_user_is_hidden(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    own = project_state(project)
    make_state_folder(own)

    found = hidden_paths(own.folder / "worker", project, ())

    assert tmp_path / "states" / "amplifier-swarm" in found.folders


@pytest.mark.parametrize("server_file", ["swarm.db", "EPOCH"])
def test_secret_files_are_hidden_and_a_database_beside_them_too(
    project: Path, tmp_path: Path, server_file: str
) -> None:
    alone, beside = tmp_path / "alone", tmp_path / "state"
    for folder in (alone, beside):
        folder.mkdir()
        (folder / "token").touch()
    (beside / server_file).touch()

    found = hidden_paths(
        tmp_path / "absent", project, (alone / "token", beside / "token", None, tmp_path / "x")
    )

    assert set(found.folders) == {project / ".swarm", beside}
    assert found.files == [alone / "token", beside / "token"]


def test_a_state_folder_that_contains_the_project_or_the_home_is_not_hidden(
    project: Path, tmp_path: Path
) -> None:
    assert tmp_path not in hidden_paths(tmp_path, project, ()).folders
    assert project not in hidden_paths(project, project, ()).folders


async def test_a_session_in_namespaces_reads_its_own_files_and_none_of_the_hidden(
    project: Path, tmp_path: Path
) -> None:
    state = project / ".swarm" / "worker"
    prompt = state / "w1" / "sessions" / "s1.prompt.md"
    prompt.write_text("do it\n", encoding="utf-8")
    secret = tmp_path / "secret"
    secret.write_text("key\n", encoding="utf-8")
    hidden = hidden_paths(state, project, (secret,))
    with level(PIDNS):
        shown = await _shown(project, hidden, prompt)

    assert shown.splitlines() == [
        *("./.swarm/.gitignore", "./.swarm/prompts/builder.md", "./.swarm/worker/w1/sessions/s1.prompt.md"),
        *("do it", "content of .swarm/prompts/builder.md", "end"),
    ]
    assert secret.read_text(encoding="utf-8") == "key\n"
    assert (project / ".swarm/token").exists()


async def _shown(project: Path, hidden: HiddenPaths, prompt: Path) -> str:
    output, fence = MergedSink(), Fence(ProcessSupervisor(Containment(PIDNS), instance=uuid.uuid4().hex))
    fence.set_stop_after(60, since=now_s())
    script = f"find . -type f | sort; cat {prompt} .swarm/prompts/builder.md ../secret; echo end"
    launch = Launch(
        ("/bin/sh", "-c", script),
        project,
        {"PATH": os.defpath},
        project.parent / "lock",
        hidden=hidden,
        reads=(prompt,),
    )
    stop = Stop(grace_s=0.2)
    await run_guarded(launch, limits=RunLimits(60, 0, 0.2), fence=fence, stop=stop, sink=output)
    return output.out.decode()
