"""State that an earlier version left in the project: moved, left alone, or refused."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amplifier_swarm import old_state
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import ProjectState, make_private_folder, project_state

FILES = ("swarm.db", "swarm.db-wal", "swarm.db.lock", "EPOCH", "token", "logs/swarmd.log", "workers/w/lock")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the state of an earlier version in `.swarm/`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    folder = tmp_path / "project"
    make_private_folder(folder / ".swarm")
    monkeypatch.chdir(folder)
    for name in (*FILES, "prompts/builder.md", "worker/w/lock"):
        file = folder / ".swarm" / name
        make_private_folder(file.parent)
        file.write_text(name)
        file.chmod(0o600)
    return folder


@contextmanager
def held(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("4711")
        file.flush()
        yield


def test_the_database_and_all_that_lies_beside_it_move_out_of_the_project(project: Path) -> None:
    found = old_state.server_state(project_state(project))

    assert found.state == project_state(project)
    assert found.note == f"the state of this project has moved from {project}/.swarm to {found.state.folder}"
    assert {name: (found.state.folder / name).read_text() for name in FILES} == {name: name for name in FILES}
    assert sorted(path.name for path in (project / ".swarm").iterdir()) == ["prompts", "worker"]


def test_a_second_start_moves_nothing_and_says_nothing(project: Path) -> None:
    old_state.server_state(project_state(project))

    assert old_state.server_state(project_state(project)).note == ""


def test_the_worker_s_state_moves_with_the_worker(project: Path) -> None:
    found = old_state.worker_state(project_state(project))

    assert "has moved" in found.note
    assert (found.state.folder / "worker" / "w" / "lock").exists()
    assert (project / ".swarm" / "swarm.db").exists()


def test_the_state_of_the_working_directory_moves_to_its_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    other = tmp_path / "other"
    other.mkdir()

    found = old_state.server_state(project_state(other))

    assert found.state == project_state(other)
    assert (found.state.folder / "swarm.db").exists()


def test_an_interrupted_move_is_continued(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, moved = Path.rename, []

    def fail_at_the_third(self: Path, target: Path) -> Path:
        moved.append(target)
        if len(moved) == 3:
            raise OSError("the power is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_third)
    with pytest.raises(OSError, match="the power is gone"):
        old_state.server_state(project_state(project))
    assert (project / ".swarm" / "swarm.db").exists()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(project.parent / "state-home"))

    found = old_state.server_state(project_state(project))
    assert all((found.state.folder / name).exists() for name in FILES)


def test_a_database_in_use_is_not_moved(project: Path) -> None:
    with held(project / ".swarm" / "swarm.db.lock"), pytest.raises(ProgramExit) as refused:
        old_state.server_state(project_state(project))

    assert refused.value.code is ExitCode.NOT_FOUND
    assert "(pid 4711)" in refused.value.line("swarmd")
    assert (project / ".swarm" / "token").exists()


def test_a_database_whose_workers_still_run_is_not_moved(project: Path) -> None:
    with held(project / ".swarm" / "workers" / "w" / "lock"), pytest.raises(ProgramExit, match="still uses"):
        old_state.server_state(project_state(project))

    assert (project / ".swarm" / "swarm.db").exists()


def test_a_worker_s_state_in_use_is_used_where_it_is(project: Path) -> None:
    with held(project / ".swarm" / "worker" / "w" / "lock"):
        found = old_state.worker_state(project_state(project))

    assert found.state.folder == project / ".swarm"
    assert "another worker uses it" in found.note


def test_state_on_another_disk_is_used_where_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_state, "_movable", lambda _old, _state: False)

    found = old_state.server_state(project_state(project))

    assert found.state == ProjectState(project, project / ".swarm")
    assert "on another disk" in found.note


@pytest.mark.parametrize(("name", "mode"), [(".swarm", 0o770), (".swarm/swarm.db", 0o644)])
def test_state_as_a_clone_brings_it_is_not_taken_over(project: Path, name: str, mode: int) -> None:
    (project / name).chmod(mode)

    found = old_state.server_state(project_state(project))

    assert found.state == project_state(project)
    assert not (found.state.folder / "swarm.db").exists()
    assert "is not used" in found.note
    assert "pass it by --db" in found.note


def test_a_folder_that_the_user_made_for_prompts_is_no_clone(project: Path) -> None:
    (project / ".swarm").chmod(0o755)

    assert "has moved" in old_state.server_state(project_state(project)).note


@pytest.mark.parametrize("version", ["2", "4"])
def test_a_private_clone_is_known_by_its_index(project: Path, version: str) -> None:
    for argv in (("init", "-q"), ("config", "index.version", version), ("add", "-Af", ".")):
        subprocess.run(["git", *argv], check=True, capture_output=True)

    assert "git repository" in old_state.server_state(project_state(project)).note


def test_a_link_in_the_place_of_the_state_is_not_followed(project: Path, tmp_path: Path) -> None:
    (project / ".swarm").rename(tmp_path / "elsewhere")
    (project / ".swarm").symlink_to(tmp_path / "elsewhere")

    assert "is a link" in old_state.server_state(project_state(project)).note
    assert (tmp_path / "elsewhere" / "swarm.db").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_state_of_another_user_is_not_taken_over(project: Path) -> None:
    os.chown(project / ".swarm", 4242, 4242)

    assert "belongs to another user" in old_state.server_state(project_state(project)).note
