"""A session that fails at a lock of git is told apart from one that fails by itself."""

from pathlib import Path

import pytest

from swarm_worker.workspace.git_locks import SHARED, lock_hint


@pytest.mark.parametrize(
    "text",
    [
        "fatal: Unable to create '/p/.git/index.lock': File exists.",
        "remove the file manually to continue.",
        "fatal: cannot lock ref 'HEAD': is at 1 but expected 2",
        "error: cannot lock ref 'refs/heads/main': Unable to create '/p/.git/refs/heads/main.lock': File exists.",
        "Another git process seems to be running in this repository",
    ],
)
def test_a_lock_of_git_is_recognised(tmp_path: Path, text: str) -> None:
    assert lock_hint(f"the builder's command exited with 1: {text}", tmp_path) == SHARED


def test_other_failures_get_no_hint(tmp_path: Path) -> None:
    assert lock_hint("the file package-lock.json is missing; the door is locked", tmp_path) == ""


@pytest.mark.parametrize("linked", [False, True])
def test_a_lock_that_a_killed_git_left_is_named(tmp_path: Path, *, linked: bool) -> None:
    project = tmp_path / "project" / "sub"
    project.mkdir(parents=True)
    folder = tmp_path / "elsewhere" if linked else project.parent / ".git"
    folder.mkdir()
    if linked:
        (project.parent / ".git").write_text(f"gitdir: {folder}\n")
    (folder / "index.lock").touch()

    hint = lock_hint("remove the file manually to continue.", project)

    assert hint.startswith(SHARED)
    assert f"{folder / 'index.lock'} is still there" in hint
