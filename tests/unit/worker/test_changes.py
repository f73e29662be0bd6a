"""The real changes of an attempt are found with real git in every kind of folder, and no error fails an attempt."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.programs import alive
from support.waiting import eventually
from swarm_worker.workspace import changes
from swarm_worker.workspace import git as workspace_git
from swarm_worker.workspace.changes import Changes, FileChangeKind
from swarm_worker.workspace.git import PathChange, TreeChanges

Kind = FileChangeKind


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sets a home without any git settings."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q")
    (root / "old.py").write_text("one\ntwo\n")
    (root / "other.py").write_text("other\n")
    commit(root)
    return root


def git(root: Path, *args: str) -> str:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid"]
    return subprocess.run(["git", *who, *args], cwd=root, check=True, capture_output=True, text=True).stdout


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "work")


async def seen(root: Path, files: Sequence[str], *steps: tuple[str, str | None]) -> Changes:
    """Returns the changes after steps that write or remove files."""
    before = await changes.take_snapshot(root, files)
    for name, text in steps:
        write(root / name, text)
    return await changes.changes_since(before)


def write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def kinds(changes: Changes) -> list[Kind]:
    return [file.kind for file in changes.files]


def tree_of(changes: Changes) -> TreeChanges:
    assert changes.tree is not None
    return changes.tree


def paths(changes: Changes) -> list[str]:
    return [change.path for change in tree_of(changes).paths]


async def test_each_declared_file_has_its_kind_of_change(tmp_path: Path) -> None:
    for name in ("changed", "same", "again", "removed"):
        write(tmp_path / name, "before")

    found = await seen(
        tmp_path,
        ["new/made", "changed", "same", "again", "removed", "missing"],
        ("new/made", "four"),
        ("changed", "after!"),
        ("again", "before"),
        ("removed", None),
    )

    assert kinds(found) == [
        Kind.CREATED,
        Kind.CHANGED,
        Kind.UNTOUCHED,
        Kind.UNTOUCHED,
        Kind.REMOVED,
        Kind.MISSING,
    ]
    assert found.files[0].size == 4
    assert found.tree is None


async def test_a_file_too_large_to_read_is_compared_by_size_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "HASHED_BYTES", 4)
    write(tmp_path / "large", "larger")
    write(tmp_path / "left", "larger")
    os.utime(tmp_path / "large", ns=(0, 0))

    found = await seen(tmp_path, ["large", "left"], ("large", "LARGER"))

    assert kinds(found) == [Kind.CHANGED, Kind.UNTOUCHED]


async def test_a_declared_folder_changes_with_what_is_in_it(tmp_path: Path) -> None:
    write(tmp_path / "a" / "deep" / "file", "x")
    write(tmp_path / "b" / "file", "x")

    found = await seen(tmp_path, ["a", "b"], ("a/deep/file", "longer"))

    assert kinds(found) == [Kind.CHANGED, Kind.UNTOUCHED]


async def test_a_path_that_is_not_a_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "endless").symlink_to("/dev/zero")

    found = await seen(tmp_path, ["pipe", "loop", "endless", "a\0b", "x" * 5_000])

    assert kinds(found) == [Kind.UNTOUCHED, Kind.MISSING, Kind.UNTOUCHED, Kind.MISSING, Kind.MISSING]


async def test_git_lists_changed_created_and_removed_files(repository: Path) -> None:
    found = await seen(
        repository, [], ("old.py", "one\nTWO\nthree\n"), ("src/new.py", "n\n"), ("other.py", None)
    )

    assert tree_of(found).paths == (
        PathChange("old.py", added=2, removed=1),
        PathChange("other.py", gone=True, added=0, removed=1),
        PathChange("src/new.py", new=True),
    )
    assert not tree_of(found).committed


async def test_nothing_changed_is_no_changes(repository: Path) -> None:
    found = await seen(repository, ["old.py"])

    assert paths(found) == []
    assert kinds(found) == [Kind.UNTOUCHED]


async def test_what_was_uncommitted_before_is_not_this_attempt_s(repository: Path) -> None:
    write(repository / "old.py", "changed by another\n")
    write(repository / "untracked.py", "of another\n")
    write(repository / "touched.py", "of another\n")

    found = await seen(repository, [], ("touched.py", "and of this one\n"), ("mine.py", "m\n"))

    assert tree_of(found).paths == (PathChange("mine.py", new=True), PathChange("touched.py"))


async def test_reverted_work_is_a_change_too(repository: Path) -> None:
    write(repository / "old.py", "changed by another\n")
    write(repository / "untracked.py", "of another\n")

    found = await seen(repository, [], ("old.py", "one\ntwo\n"), ("untracked.py", None))

    assert tree_of(found).paths == (PathChange("old.py"), PathChange("untracked.py", gone=True))


async def test_committed_work_is_compared_with_the_commit_before(repository: Path) -> None:
    before = await changes.take_snapshot(repository, ["new.py"])
    head = git(repository, "rev-parse", "HEAD").strip()
    write(repository / "new.py", "a\nb\n")
    commit(repository)

    found = await changes.changes_since(before)

    assert tree_of(found) == TreeChanges(head, (PathChange("new.py", added=2, removed=0),), committed=True)


async def test_a_repository_without_a_commit_is_compared_with_the_empty_tree(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    before = await changes.take_snapshot(tmp_path, [])
    write(tmp_path / "first.py", "1\n")
    write(tmp_path / "second.py", "2\n")
    git(tmp_path, "add", "first.py")

    found = await changes.changes_since(before)

    assert tree_of(found).paths == (
        PathChange("first.py", added=1, removed=0),
        PathChange("second.py", new=True),
    )


async def test_a_project_in_a_folder_of_a_repository_sees_its_own_folder(repository: Path) -> None:
    project = repository / "a b" / "project"
    write(project / "kept.py", "k\n")
    commit(repository)

    found = await seen(
        project, ["kept.py"], ("kept.py", "k\nl\n"), ("new.py", "n\n"), ("../../old.py", "outside\n")
    )

    assert tree_of(found).paths == (PathChange("kept.py", added=1, removed=0), PathChange("new.py", new=True))


async def test_a_project_that_git_ignores_has_no_tree(repository: Path) -> None:
    write(repository / ".gitignore", "/demo/\n")
    (repository / "demo").mkdir()

    found = await seen(repository / "demo", ["a.py"], ("a.py", "x"))

    assert found.tree is None
    assert kinds(found) == [Kind.CREATED]


async def test_ignored_files_and_the_swarm_s_state_are_left_out(repository: Path) -> None:
    write(repository / ".gitignore", "*.log\n")
    commit(repository)

    found = await seen(repository, [], ("a.log", "x"), (".swarm/worker/lock", "x"), ("a.py", "x"))

    assert paths(found) == ["a.py"]


async def test_a_binary_file_and_odd_names_are_listed(repository: Path) -> None:
    names = ["new\nline", "tab\there", "ü.py", "-rf", 'quote"', " lead"]
    write(repository / "bin", "a\0b")
    write(repository / "-x", "x\n")
    commit(repository)
    steps: list[tuple[str, str | None]] = [(name, "x\n") for name in names]

    found = await seen(repository, [], ("bin", "a\0c"), ("-x", "y\n"), *steps)

    assert sorted(paths(found)) == sorted([*names, "bin", "-x"])
    assert PathChange("bin") in tree_of(found).paths


async def test_a_name_that_is_not_utf_8_is_listed(repository: Path) -> None:
    before = await changes.take_snapshot(repository, [])
    write(Path(os.fsdecode(os.fsencode(repository) + b"/\xff.py")), "x")

    assert paths(await changes.changes_since(before)) == ["\udcff.py"]


async def test_a_submodule_s_own_work_tree_is_not_searched(repository: Path, tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    git(module, "init", "-q")
    write(module / "m.py", "m\n")
    commit(module)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(module), "sub")
    commit(repository)

    found = await seen(repository, [], ("sub/m.py", "changed\n"), ("a.py", "x"))

    assert paths(found) == ["a.py"]


async def test_a_list_that_is_cut_is_marked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_git, "OUTPUT_BYTES", 30)
    steps: list[tuple[str, str | None]] = [(f"a-long-name-{n}.py", "x\n") for n in range(5)]

    found = await seen(repository, [], *steps)

    assert tree_of(found).cut
    assert paths(found) == ["a-long-name-0.py"]


async def test_without_git_on_path_only_the_declared_files_are_compared(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    found = await seen(repository, ["a.py"], ("a.py", "x"))

    assert found.tree is None
    assert kinds(found) == [Kind.CREATED]


async def test_a_removed_project_gives_no_changes_and_no_error(tmp_path: Path) -> None:
    found = await seen(tmp_path / "none", ["a.py"])

    assert found.tree is None
    assert kinds(found) == [Kind.MISSING]


async def test_a_repository_that_breaks_meanwhile_has_no_tree(repository: Path) -> None:
    before = await changes.take_snapshot(repository, [])
    write(repository / ".git" / "HEAD", "garbage")

    assert (await changes.changes_since(before)).tree is None


@pytest.mark.slow
async def test_a_git_that_hangs_is_killed_with_all_that_it_started(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    fake = tmp_path / "bin" / "git"
    write(fake, f"#!/bin/sh\nsleep 300 &\necho $! > '{pid}'\nwait\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(changes, "GIT_TIMEOUT_S", 2.0)

    found = await changes.take_snapshot(repository, ["old.py"])

    assert found.tree is None
    assert found.states[0] is not None
    child = int(pid.read_text())
    await eventually(lambda: not alive(child), "the end of what git had started")


async def test_a_repository_s_own_programs_are_not_run(repository: Path, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    program = tmp_path / "program"
    write(program, f"#!/bin/sh\ntouch '{proof}'\n")
    program.chmod(0o755)
    write(repository / ".gitattributes", "*.py diff=evil\n")
    commit(repository)
    for name in ("core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command", "core.pager"):
        git(repository, "config", name, str(program))

    found = await seen(repository, [], ("old.py", "changed\n"))

    assert paths(found) == ["old.py"]
    assert not proof.exists()


async def test_reading_changes_takes_no_lock_of_git(repository: Path) -> None:
    index = repository / ".git" / "index"
    os.utime(repository / "old.py", ns=(0, 0))  # git would refresh its index for that
    before = index.stat().st_mtime_ns

    await seen(repository, [])

    assert index.stat().st_mtime_ns == before
