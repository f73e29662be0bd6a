"""Workspaces on the disk: folders that are carried into them, their list, and their removal without loss."""

from pathlib import Path

import pytest

from support.git_repositories import commit_files, git, new_clone, write_files
from swarm_worker.workspace.clone import Clone, make_clone, open_clone
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.keeping import (
    WorkspaceState,
    carry_folders,
    list_workspaces,
    record_end,
    remove_leftovers,
    remove_workspace,
)
from swarm_worker.workspace.snapshot import snapshot

pytestmark = pytest.mark.usefixtures("empty_home")


async def test_ignored_folders_are_carried_with_links_and_modes(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {".gitignore": "node_modules\n.env\ntools\n"})
    root = clone.source.path
    write_files(root, {"node_modules/m/index.js": "m\n", ".env": "A=1\n", "tools/bin/run": "#!/bin/sh\n"})
    (root / "tools" / "bin" / "run").chmod(0o755)
    (root / "node_modules" / "link").symlink_to("m")

    assert await carry_folders(["node_modules", ".env", "tools/bin"], root, clone) == ()

    assert (clone.work / "node_modules" / "link" / "index.js").read_text() == "m\n"
    assert (clone.work / "node_modules" / "link").is_symlink()
    assert (clone.work / "tools" / "bin" / "run").stat().st_mode & 0o777 == 0o755
    (clone.work / "node_modules" / "m" / "index.js").write_text("changed\n")
    assert (root / "node_modules" / "m" / "index.js").read_text() == "m\n"


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("../other", "is not a relative path inside the project"),
        ("/etc", "is not a relative path inside the project"),
        ("", "is not a relative path inside the project"),
        (".git/hooks", "is not a relative path inside the project"),
        ("absent", "is not there"),
        ("one.txt", "is in the workspace already, so the copy of the project stays out"),
        ("out/passwd", "leads out of the project"),
    ],
)
async def test_a_path_that_cannot_be_carried_is_named(tmp_path: Path, name: str, remark: str) -> None:
    clone = await new_clone(tmp_path)
    root = clone.source.path
    (root / "out").symlink_to("/etc")

    assert await carry_folders([name], root, clone) == (f"keep: {name} {remark}",)
    assert git(clone.work, "status", "--porcelain") == ""


async def test_a_link_in_the_workspace_does_not_lead_a_copy_outside(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (clone.work / "cache").symlink_to(outside)
    write_files(clone.source.path, {"cache/a": "a"})

    assert "leads out of the project" in (await carry_folders(["cache/a"], clone.source.path, clone))[0]
    assert list(outside.iterdir()) == []


async def another(clone: Clone, name: str) -> Clone:
    return (await make_clone(clone.source, clone.folder.with_name(name), clone.base)).clone


async def test_each_workspace_has_a_state_and_only_safe_ones_are_removed(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    source, folder = clone.source, clone.folder.parent
    made = {
        name: await another(clone, name)
        for name in ("landed", "kept", "dirty", "unmerged", "used", "broken", "after")
    }
    for name in ("landed", "kept", "after"):
        write_files(made[name].work, {"new.txt": "x\n"})
        head = (await snapshot(made[name], "m", {})).head
        await record_end(made[name], head, landed=name != "kept")
    write_files(made["dirty"].work, {"new.txt": "x\n"})
    commit_files(made["unmerged"].work, {"new.txt": "x\n"})
    commit_files(made["after"].work, {"later.txt": "by a person, after the landing\n"})
    (made["broken"].folder / "clone.json").write_text("{")

    entries = await list_workspaces(source, folder, leased={"used"})

    assert {entry.folder.name: entry.state.value for entry in entries} == {
        **{name: name for name in ("landed", "kept", "dirty", "unmerged", "broken")},
        "used": "leased",
        "after": "unmerged",
        "t1-1": "kept",
    }
    assert all(
        entry.size > 10_000 and entry.age_s >= 0 for entry in entries if entry.state != WorkspaceState.BROKEN
    )
    reasons = {
        each.folder.name: await remove_workspace(source, each.folder, leased={"used"}) for each in entries
    }
    assert {name for name, reason in reasons.items() if not reason} == {"landed", "kept", "t1-1"}
    assert {path.name for path in folder.iterdir()} == {"dirty", "unmerged", "used", "broken", "after"}
    assert reasons["dirty"] == f"{folder / 'dirty'} stays: it is dirty"
    pins = git(source.path, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/swarm/base").split()
    assert set(pins) == {"dirty", "unmerged", "used", "broken", "after"}


async def test_an_ignored_file_does_not_keep_a_workspace(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {".gitignore": "*.log\n"})
    write_files(clone.work, {"a.log": "x"})
    (clone.work / "deep").mkdir()
    (clone.work / "deep").chmod(0o500)

    assert await remove_workspace(clone.source, clone.folder) == ""
    assert not clone.folder.exists()


async def test_a_removal_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    clone.folder.rename(clone.folder.with_name(".removed-t1-1"))

    assert await list_workspaces(clone.source, clone.folder.parent) == ()
    await remove_leftovers(clone.source, clone.folder.parent)
    assert git(clone.source.path, "for-each-ref", "refs/swarm") == ""

    assert list(clone.folder.parent.iterdir()) == []
    assert await list_workspaces(clone.source, tmp_path / "absent") == ()


async def test_a_workspace_is_opened_again_after_a_restart(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)

    assert await open_clone(clone.source, clone.folder) == clone
    with pytest.raises(GitFailure, match="is not a complete workspace"):
        await open_clone(clone.source, tmp_path)
