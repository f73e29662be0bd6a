"""Clones of odd repositories, such as those with submodules or filters: they work, or say what they lack."""

from pathlib import Path

import pytest

from support.git_repositories import commit_files, git, new_repository, opened, write_files
from swarm_worker.workspace.clone import make_clone
from swarm_worker.workspace.snapshot import snapshot
from swarm_worker.workspace.work_change import read_change

pytestmark = pytest.mark.usefixtures("empty_home")

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


async def test_submodules_stay_empty_and_are_named(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    inner = new_repository(tmp_path / "inner")
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib")
    commit_files(root, {})
    source = await opened(root)

    clone, remarks = await make_clone(source, tmp_path / "w1", await source.fetch())
    write_files(clone.work, {"new.txt": "new\n"})
    found = await snapshot(clone, "work", {})

    assert remarks == ("submodules stay empty (1): `setup:` may fetch them, but changes in them do not land",)
    assert [each.path for each in (await read_change(clone, clone.base, found.head)).files] == ["new.txt"]


async def test_a_submodule_that_the_session_fetched_is_no_new_repository(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    inner = new_repository(tmp_path / "inner")
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib")
    commit_files(root, {})
    source = await opened(root)
    clone = (await make_clone(source, tmp_path / "w1", await source.fetch())).clone

    git(clone.work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    untouched = await snapshot(clone, "work", {})

    assert not untouched.changed
    assert untouched.remarks == ()


async def test_files_of_git_lfs_stay_pointers_and_that_is_said(tmp_path: Path, empty_home: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    write_files(
        root, {"art/.gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "art/a.bin": POINTER}
    )
    commit_files(root, {})
    (empty_home / ".gitconfig").write_text(
        '[filter "lfs"]\n\tclean = exit 1\n\tsmudge = exit 1\n\tprocess = exit 1\n\trequired = true\n'
    )
    source = await opened(root)

    clone, remarks = await make_clone(source, tmp_path / "w1", await source.fetch())

    assert remarks == (
        "the filters lfs do not run: such files stay as they are stored, for git-lfs as pointers",
    )
    assert (clone.work / "art" / "a.bin").read_text() == POINTER
    assert not (await snapshot(clone, "work", {})).changed


async def test_a_shallow_repository_is_named(tmp_path: Path) -> None:
    full = new_repository(tmp_path / "full")
    commit_files(full, {"one.txt": "2\n"})
    git(tmp_path, "clone", "-q", "--depth=1", full.as_uri(), "project")
    source = await opened(tmp_path / "project")

    clone, remarks = await make_clone(source, tmp_path / "w1", await source.fetch())

    assert remarks == ("the repository is shallow, so older commits are missing here too",)
    assert git(clone.work, "log", "--format=%s") == "work"


@pytest.mark.parametrize(
    ("setting", "attributes"),
    [
        ("core.autocrlf=true", ""),
        ("core.autocrlf=false", "* text eol=crlf\n"),
        ("core.eol=crlf", "* text=auto\n"),
    ],
)
async def test_line_endings_are_those_of_the_users_checkout(
    tmp_path: Path, setting: str, attributes: str
) -> None:
    root = new_repository(tmp_path / "project", {".gitattributes": attributes, "a.txt": "1\n2\n"})
    git(root, "config", *setting.split("="))
    (root / "a.txt").unlink()
    git(root, "checkout", "-q", "--", "a.txt")
    assert (root / "a.txt").read_bytes() == b"1\r\n2\r\n"
    source = await opened(root)

    clone = (await make_clone(source, tmp_path / "w1", await source.fetch())).clone

    assert (clone.work / "a.txt").read_bytes() == b"1\r\n2\r\n"
    assert not (await snapshot(clone, "work", {})).changed
    write_files(clone.work, {"a.txt": "1\r\n2\r\n3\r\n"})
    change = await read_change(clone, clone.base, (await snapshot(clone, "work", {})).head)
    assert [(each.path, each.added, each.removed) for each in change.files] == [("a.txt", 1, 0)]


async def test_a_clone_of_a_sparse_checkout_is_whole(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project", {"in/a.txt": "a\n", "out/b.txt": "b\n"})
    git(root, "sparse-checkout", "set", "in")
    assert not (root / "out").exists()
    source = await opened(root)

    clone = (await make_clone(source, tmp_path / "w1", await source.fetch())).clone

    assert (clone.work / "out" / "b.txt").read_text() == "b\n"
    assert not (await snapshot(clone, "work", {})).changed


async def test_the_name_of_the_user_is_the_author(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    git(root, "config", "user.name", 'Ann "the\\one" B')
    git(root, "config", "user.email", "ann@example.invalid")
    source = await opened(root)
    clone = (await make_clone(source, tmp_path / "w1", await source.fetch())).clone
    write_files(clone.work, {"a.txt": "a\n"})

    await snapshot(clone, "work", {})

    assert git(clone.work, "log", "-1", "--format=%an <%ae>") == 'Ann "the\\one" B <ann@example.invalid>'
