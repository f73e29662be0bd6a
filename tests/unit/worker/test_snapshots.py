"""A session's work becomes a commit whatever the session did to its clone, and checks leave no trace in it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.git_repositories import commit_files, git, make_hostile, new_clone, write_files
from swarm_worker.workspace.clone import Clone, make_clone
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.snapshot import MAX_IGNORED, WorkSnapshot, restore, snapshot

pytestmark = pytest.mark.usefixtures("empty_home")

TRAILERS = {"Swarm-Task": "t1", "Swarm-Attempt": "1", "Swarm-Session": "s-1"}


async def taken(clone: Clone) -> WorkSnapshot:
    return await snapshot(clone, "Title\n\nText", TRAILERS)


def names_in(clone: Clone, commit: str) -> set[bytes]:
    return set(
        os.fsencode(git(clone.control, "ls-tree", "-r", "-z", "--name-only", commit)).split(b"\0")[:-1]
    )


async def test_untouched_work_makes_no_commit(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)

    found = await taken(clone)

    assert tuple(found) == (clone.base, clone.base, False, (), ())
    assert not found.changed


async def test_the_commit_carries_message_trailers_and_an_identity(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    write_files(clone.work, {"a.txt": "a\n"})

    head = (await taken(clone)).head

    assert git(clone.work, "log", "-1", "--format=%an <%ae>%n%B") == (
        "Amplifier Swarm <swarm@localhost.invalid>\n"
        "Title\n\nText\n\nSwarm-Task: t1\nSwarm-Attempt: 1\nSwarm-Session: s-1\n"
    )
    assert git(clone.work, "rev-parse", "HEAD", "HEAD^").split() == [head, clone.base]


async def test_a_session_without_an_identity_can_commit(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    write_files(clone.work, {"a.txt": "a\n"})
    git(clone.work, "add", "-A")

    commit = ("-c", "user.useConfigOnly=true", "commit", "-q", "-m", "by the session")
    await clone.session_git.run("update-index", "--refresh", accepted=(0, 1))
    git_without_identity(clone.work, *commit)

    assert git(clone.work, "log", "-1", "--format=%an") == "Amplifier Swarm"


def git_without_identity(root: Path, *arguments: str) -> None:
    assert os.spawnvp(os.P_WAIT, "git", ("git", "-C", str(root), *arguments)) == 0


ODD_NAMES = [
    b"with\nnewline",
    b"\xff\xfe invalid",
    b"-x",
    b"--all",
    b" space ",
    b'"quote"',
    b":(top)magic",
    "größe".encode(),
]


async def test_every_file_name_of_the_disk_is_taken(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    write_files(clone.work, dict.fromkeys(map(os.fsdecode, ODD_NAMES), "x\n"))

    found = await taken(clone)

    assert names_in(clone, found.head) == {b"one.txt", b"two.txt", *ODD_NAMES}
    write_files(clone.work, dict.fromkeys(map(os.fsdecode, ODD_NAMES), "y\n"))
    assert len(await restore(clone, found.head)) == len(ODD_NAMES)
    assert git(clone.work, "status", "--porcelain") == ""


async def test_links_modes_removals_and_renames_by_case_are_taken(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {"a.txt": "a\n", "b.txt": "b\n", "c.txt": "c\n", "dir/d.txt": "d\n"})
    (clone.work / "a.txt").chmod(0o755)
    (clone.work / "b.txt").unlink()
    (clone.work / "c.txt").rename(clone.work / "C.txt")
    shutil.rmtree(clone.work / "dir")
    (clone.work / "dir").symlink_to("/etc")

    found = await taken(clone)

    listed = git(clone.control, "ls-tree", "-r", "--format=%(objectmode) %(path)", found.head).split("\n")
    assert listed == ["100644 C.txt", "100755 a.txt", "120000 dir"]


@pytest.mark.slow
async def test_five_thousand_files_are_taken(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    write_files(clone.work, {f"d{number % 50}/{number}.txt": f"{number}\n" for number in range(5_000)})

    assert len(names_in(clone, (await taken(clone)).head)) == 5_002


async def test_ignored_files_are_listed_and_not_taken(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {".gitignore": "*.log\nbuild/\nnode_modules\n"})
    write_files(clone.work, {"a.log": "a", "build/x/y.o": "y", "new.txt": "n", "node_modules/m.js": "m"})

    found = await snapshot(clone, "m", TRAILERS, known=["node_modules/"])

    assert found.ignored == ("a.log", "build/")
    assert names_in(clone, found.head) == {b".gitignore", b"new.txt"}
    write_files(clone.work, {f"{number}.log": "" for number in range(MAX_IGNORED + 5)})
    assert len((await taken(clone)).ignored) == MAX_IGNORED


async def test_the_lists_of_the_user_hold_in_clones_and_those_of_a_session_do_not(tmp_path: Path) -> None:
    root = tmp_path / "project"
    clone = await new_clone(tmp_path)
    (root / ".git" / "info" / "exclude").write_text(".venv\n")
    clone.source._facts = None
    clone = (await make_clone(clone.source, tmp_path / "w" / "t1-2", clone.base)).clone
    (clone.work / ".git" / "info" / "exclude").write_text("secret-change.txt\n")
    write_files(clone.work, {".venv/a": "a", ".swarm/token": "t", "secret-change.txt": "s"})

    found = await taken(clone)

    assert names_in(clone, found.head) == {b"one.txt", b"two.txt", b"secret-change.txt"}
    assert found.ignored == (".venv/",)


async def test_bits_of_the_sessions_index_hide_nothing(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    git(clone.work, "update-index", "--assume-unchanged", "one.txt")
    git(clone.work, "update-index", "--skip-worktree", "two.txt")
    write_files(clone.work, {"one.txt": "hidden\n", "two.txt": "hidden\n"})

    found = await taken(clone)

    assert git(clone.control, "show", f"{found.head}:one.txt", f"{found.head}:two.txt") == "hidden\nhidden"


async def test_programs_that_a_session_sets_never_run(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    marker = tmp_path / "marker"
    make_hostile(clone.work, marker)
    write_files(
        clone.work, {"one.txt": "changed\n", ".gitattributes": "* filter=evil diff=evil merge=evil\n"}
    )

    found = await taken(clone)
    write_files(clone.work, {"one.txt": "by a check\n"})
    await restore(clone, found.head)

    assert git(clone.control, "show", f"{found.head}:one.txt") == "changed"
    assert (clone.work / "one.txt").read_text() == "changed\n"
    assert not marker.exists(), marker.read_text()


def removed(clone: Clone) -> None:
    shutil.rmtree(clone.work / ".git")


def replaced_by_a_link(clone: Clone) -> None:
    shutil.rmtree(clone.work / ".git")
    (clone.work / ".git").symlink_to(clone.source.path / ".git")


def replaced_by_a_file(clone: Clone) -> None:
    shutil.rmtree(clone.work / ".git")
    (clone.work / ".git").write_text(f"gitdir: {clone.source.path}/.git\n")


def with_other_alternates(clone: Clone) -> None:
    (clone.work / ".git" / "objects" / "info" / "alternates").write_text("/nowhere/objects\n")


def with_linked_alternates(clone: Clone) -> None:
    alternates = clone.work / ".git" / "objects" / "info" / "alternates"
    alternates.unlink()
    alternates.symlink_to(clone.source.path / "one.txt")


def with_junk_in_head(clone: Clone) -> None:
    (clone.work / ".git" / "HEAD").write_text("junk\n")


def on_an_unborn_branch(clone: Clone) -> None:
    git(clone.work, "switch", "-q", "--orphan", "nothing")
    git(clone.work, "checkout", "-q", clone.base, "--", ".")


def with_junk_in_its_settings(clone: Clone) -> None:
    (clone.work / ".git" / "config").write_text("[core\n")


def on_another_history(clone: Clone) -> None:
    git(clone.work, "switch", "-q", "--orphan", "other")
    commit_files(clone.work, {"one.txt": "one\n", "two.txt": "two\n"})


def with_junk_in_its_index(clone: Clone) -> None:
    (clone.work / ".git" / "index").write_bytes(b"junk")


def with_a_merge_in_progress(clone: Clone) -> None:
    git(clone.work, "switch", "-q", "-c", "side")
    commit_files(clone.work, {"two.txt": "side\n"})
    git(clone.work, "switch", "-q", "-")
    commit_files(clone.work, {"two.txt": "main\n"})
    with pytest.raises(AssertionError):
        git(clone.work, "merge", "side")


@pytest.mark.parametrize(
    "spoil",
    [
        *(removed, replaced_by_a_link, replaced_by_a_file, with_other_alternates, with_linked_alternates),
        *(with_junk_in_head, on_an_unborn_branch, on_another_history, with_junk_in_its_settings),
        *(with_junk_in_its_index, with_a_merge_in_progress),
    ],
)
async def test_files_are_kept_whatever_a_session_did_to_its_git_folder(
    tmp_path: Path, spoil: Callable[[Clone], None]
) -> None:
    clone = await new_clone(tmp_path)
    spoil(clone)
    write_files(clone.work, {"one.txt": "work\n", "new.txt": "new\n"})

    found = await taken(clone)

    assert git(clone.control, "show", f"{found.head}:one.txt", f"{found.head}:new.txt") == "work\nnew"
    assert git(clone.control, "merge-base", clone.base, found.head) == clone.base
    assert git(clone.work, "rev-parse", "HEAD") == found.head
    assert git(clone.work, "status", "--porcelain") == ""
    assert (clone.source.path / "one.txt").read_text() == "one\n"
    assert git(clone.source.path, "rev-parse", "main") == clone.base
    kept = await clone.source.keep(clone.control, found.head, "refs/swarm/t1/1")
    assert git(clone.source.path, "show", f"{kept.ref}:new.txt") == "new"


async def test_lost_history_is_said(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    removed(clone)
    assert any(
        ".git: its files are kept, its commits are not" in each for each in (await taken(clone)).remarks
    )
    on_another_history(clone)
    assert any("does not descend from its base" in each for each in (await taken(clone)).remarks)


async def test_a_work_tree_that_is_gone_is_an_error(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    clone.work.rename(tmp_path / "moved")
    with pytest.raises(GitFailure, match="is gone"):
        await taken(clone)
    clone.work.symlink_to(tmp_path / "project")
    with pytest.raises(GitFailure, match="is gone"):
        await restore(clone, clone.base)


async def test_locks_of_a_killed_git_are_removed_and_named(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    for name in ("index.lock", "HEAD.lock", "refs/heads/swarm/main.lock"):
        (clone.work / ".git" / name).touch()
    write_files(clone.work, {"one.txt": "work\n"})

    found = await taken(clone)

    assert set(found.remarks) == {
        f"removed .git/{name}, which a killed git had left"
        for name in ("index.lock", "HEAD.lock", "refs/heads/swarm/main.lock")
    }
    assert found.changed


async def test_a_lock_of_the_workers_own_killed_git_is_removed(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    (clone.control / "index.lock").touch()
    write_files(clone.work, {"one.txt": "work\n"})

    assert (await taken(clone)).changed


@pytest.mark.parametrize("empty", [True, False])
async def test_a_repository_inside_the_work_tree_is_left_out_and_named(
    tmp_path: Path, *, empty: bool
) -> None:
    clone = await new_clone(tmp_path)
    inner = clone.work / "vendor" / "lib"
    inner.mkdir(parents=True)
    git(inner, "init", "-q")
    if not empty:
        commit_files(inner, {"x.txt": "x\n"})
    write_files(clone.work, {"new.txt": "new\n"})

    found = await taken(clone)

    assert names_in(clone, found.head) == {b"one.txt", b"two.txt", b"new.txt"}
    assert any("vendor/lib" in remark for remark in found.remarks)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    write_files(clone.work, {"locked.txt": "x\n", "new.txt": "new\n"})
    (clone.work / "locked.txt").chmod(0)

    found = await taken(clone)

    assert b"new.txt" in names_in(clone, found.head)
    assert any("locked.txt" in remark for remark in found.remarks)


async def test_restore_throws_away_what_a_check_did_and_keeps_ignored_files(tmp_path: Path) -> None:
    clone = await new_clone(
        tmp_path, {"one.txt": "1\n", "two.txt": "2\n", "d/a.txt": "a\n", ".gitignore": "cache\n"}
    )
    write_files(clone.work, {"one.txt": "work\n"})
    head = (await taken(clone)).head
    write_files(clone.work, {"one.txt": "spoiled\n", "two.txt": None, "new/x.txt": "x", "cache/c": "c"})
    shutil.rmtree(clone.work / "d")
    (clone.work / "d").write_text("a file now\n")
    git(clone.work, "add", "-A")
    (clone.work / ".git" / "index.lock").touch()

    names = await restore(clone, head)

    assert set(names) == {"one.txt", "two.txt", "new/x.txt", "d", "d/a.txt"}
    assert (clone.work / "one.txt").read_text() == "work\n"
    assert (clone.work / "d" / "a.txt").read_text() == "a\n"
    assert (clone.work / "cache" / "c").read_text() == "c"
    assert git(clone.work, "status", "--porcelain") == ""
    assert await restore(clone, head) == ()


async def test_restore_takes_back_commits_and_branches_of_a_validator(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    write_files(clone.work, {"one.txt": "work\n"})
    head = (await taken(clone)).head
    commit_files(clone.work, {"by-validator.txt": "x\n"})

    assert "by-validator.txt" in await restore(clone, head)
    assert git(clone.work, "rev-parse", "HEAD") == head
    git(clone.work, "commit", "-q", "--allow-empty", "-m", "empty")
    assert await restore(clone, head) == ("HEAD",)
    git(clone.work, "switch", "-q", "--orphan", "elsewhere")
    assert "HEAD" in await restore(clone, head)
    assert git(clone.work, "rev-parse", "HEAD") == head
    assert git(clone.work, "status", "--porcelain") == ""
