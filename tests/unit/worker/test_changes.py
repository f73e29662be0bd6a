"""The real changes of an attempt are found with real git in every kind of folder, and no error fails an attempt."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from swarm_worker.workspace import changes, git_script
from swarm_worker.workspace.changes import Changes, FileChangeKind
from swarm_worker.workspace.git import GuardedProgram, PathChange, ProgramEnd, TreeChanges

Kind = FileChangeKind


pytestmark = pytest.mark.usefixtures("empty_home")


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


def run_in(root: Path) -> GuardedProgram:
    """Returns a way to run programs in a folder without a guard."""

    async def run(
        argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float, stdout: Callable[[bytes], None]
    ) -> ProgramEnd:
        try:
            done = await asyncio.to_thread(
                subprocess.run, argv, cwd=root, env=env, capture_output=True, check=False, timeout=timeout_s
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return ProgramEnd(str(error), "")
        for byte in range(0, len(done.stdout), 7):  # output may be cut anywhere
            stdout(done.stdout[byte : byte + 7])
        return ProgramEnd("", done.stderr.decode(errors="replace"))

    return run


async def seen(root: Path, files: Sequence[str], *steps: tuple[str, str | None]) -> Changes:
    """Returns the changes after steps that write or remove files."""
    before = await changes.take_snapshot(root, files, run_in(root))
    for name, text in steps:
        write(root / name, text)
    return await changes.changes_since(before, run_in(before.project_root))


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
    before = await changes.take_snapshot(repository, ["new.py"], run_in(repository))
    head = git(repository, "rev-parse", "HEAD").strip()
    write(repository / "new.py", "a\nb\n")
    commit(repository)

    found = await changes.changes_since(before, run_in(before.project_root))

    assert tree_of(found) == TreeChanges(head, (PathChange("new.py", added=2, removed=0),), committed=True)


async def test_a_repository_without_a_commit_is_compared_with_the_empty_tree(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    before = await changes.take_snapshot(tmp_path, [], run_in(tmp_path))
    write(tmp_path / "first.py", "1\n")
    write(tmp_path / "second.py", "2\n")
    git(tmp_path, "add", "first.py")

    found = await changes.changes_since(before, run_in(before.project_root))

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
    before = await changes.take_snapshot(repository, [], run_in(repository))
    write(Path(os.fsdecode(os.fsencode(repository) + b"/\xff.py")), "x")

    assert paths(await changes.changes_since(before, run_in(before.project_root))) == ["\udcff.py"]


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
    monkeypatch.setattr(git_script, "OUTPUT_BYTES", 50)
    steps: list[tuple[str, str | None]] = [(f"a-long-name-{n}.py", "x\n") for n in range(5)]

    found = await seen(repository, [], *steps)

    assert tree_of(found).cut
    assert paths(found) == ["a-long-name-0.py", "a-long-name-1.py"]


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
    before = await changes.take_snapshot(repository, [], run_in(repository))
    write(repository / ".git" / "HEAD", "garbage")

    assert (await changes.changes_since(before, run_in(before.project_root))).tree is None


async def test_a_git_that_does_not_finish_is_named_as_the_reason(repository: Path) -> None:
    async def never(*_: object, **__: object) -> ProgramEnd:
        return ProgramEnd("git did not finish within 15 s", "")

    before = await changes.take_snapshot(repository, ["old.py"], never)

    assert before.states[0] is not None
    found = await changes.changes_since(before, never)
    assert found.no_tree == "git did not finish within 15 s"


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


@pytest.mark.parametrize("driver", ["evil", "e=vil", "e vil.x", 'ü"'])
@pytest.mark.parametrize("command", ["clean", "process"])
async def test_a_repository_s_filters_are_not_run(
    repository: Path, tmp_path: Path, driver: str, command: str
) -> None:
    proof = tmp_path / "ran"
    program = tmp_path / "program"
    write(program, f"#!/bin/sh\ntouch '{proof}'\ncat\n")
    program.chmod(0o755)
    git(repository, "config", f"filter.{driver}.{command}", str(program))
    git(repository, "config", f"filter.{driver}.required", "true")
    # A driver's name in attributes has no blanks and quotes; the setting's own name can have them.
    write(repository / ".git" / "info" / "attributes", f"* filter={driver.split(maxsplit=1)[0]}\n")

    found = await seen(repository, [], ("old.py", "changed\n"))

    assert paths(found) == ["old.py"]
    assert not proof.exists()


async def test_a_partial_clone_s_missing_objects_are_not_fetched_with_its_program(
    repository: Path, tmp_path: Path
) -> None:
    proof = tmp_path / "ran"
    program = tmp_path / "program"
    write(program, f"#!/bin/sh\ntouch '{proof}'\n")
    program.chmod(0o755)
    for name, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", str(repository)),
        ("remote.origin.promisor", "true"),
        ("remote.origin.uploadpack", str(program)),
        ("protocol.file.allow", "always"),
    ):
        git(repository, "config", name, value)
    blob = git(repository, "rev-parse", "HEAD:old.py").strip()
    before = await changes.take_snapshot(repository, [], run_in(repository))
    write(repository / "old.py", "changed\n")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    found = await changes.changes_since(before, run_in(repository))

    assert found.tree is None
    assert blob in found.no_tree or "promisor" in found.no_tree
    assert not proof.exists()


async def test_the_reason_for_missing_changes_is_git_s_own_error(repository: Path, tmp_path: Path) -> None:
    write(repository / ".gitignore", "/demo/\n")
    (repository / "demo").mkdir()
    bare = tmp_path / "bare"
    git(tmp_path, "init", "-q", "--bare", str(bare))
    broken = tmp_path / "broken"
    write(broken / ".git" / "HEAD", "garbage")

    reasons = [(await seen(root, [])).no_tree for root in (repository / "demo", bare, broken, tmp_path)]

    ignored, in_bare, no_repository, silent = reasons
    assert "ignored" in ignored
    assert "bare" in in_bare
    assert "not a git repository" in no_repository
    assert silent == ""


def test_a_distrusted_folder_s_reason_names_the_setting() -> None:
    stderr = "fatal: detected dubious ownership in repository at '/p'\nTo add an exception, call:\n\tgit config …\n"

    assert git_script.explain(stderr) == (
        "detected dubious ownership in repository at '/p' (see git's setting safe.directory)"
    )
    assert git_script.explain("") == "git failed without a message"
    assert git_script.explain("/bin/sh: 9: git: not found\n") == "git is not on PATH"


async def test_a_file_with_nothing_to_read_is_compared_by_size_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    write(tmp_path / "kmsg", "")
    monkeypatch.setattr(os, "open", lambda *_: reader)

    found = await changes.take_snapshot(tmp_path, ["kmsg"], run_in(tmp_path))

    os.close(writer)
    assert found.states[0] is not None
    assert found.states[0].digest == ""


async def test_reading_changes_takes_no_lock_of_git(repository: Path) -> None:
    index = repository / ".git" / "index"
    os.utime(repository / "old.py", ns=(0, 0))  # git would refresh its index for that
    before = index.stat().st_mtime_ns

    await seen(repository, [])

    assert index.stat().st_mtime_ns == before
