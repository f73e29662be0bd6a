"""Work lands as one step on the newest target, or not at all, and says what stands in its way."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from support.git_repositories import (
    commit_files,
    git,
    new_clone,
    new_repository,
    opened,
    tree_state,
    write_files,
)
from swarm_worker.workspace.clone import Clone, make_clone
from swarm_worker.workspace.git_runner import GitFailure
from swarm_worker.workspace.landing import Combination, Conflict, LandingMessage, Style, carry_over, combine
from swarm_worker.workspace.snapshot import snapshot
from swarm_worker.workspace.source import PublishResult, SourceRepository

pytestmark = pytest.mark.usefixtures("empty_home")

LINES = "".join(f"{number}\n" for number in range(30))


def trailers(task: str) -> dict[str, str]:
    return {"Swarm-Task": task, "Swarm-Attempt": "1", "Swarm-Session": f"{task}-s", "Swarm-Id": "swarm-1"}


def message(task: str = "t1") -> LandingMessage:
    return LandingMessage(f"Title of {task}", trailers(task))


async def land(clone: Clone, files: dict[str, str], task: str, style: Style = "squash") -> str:
    """Lands files as the work of a task and returns the new tip."""
    commit_files(clone.work, files, f"{task} step")
    head = (await snapshot(clone, f"Title of {task}", trailers(task))).head
    tip = await clone.source.fetch()
    combination = await combine(clone, clone.base, head, tip, style=style, message=message(task))
    assert isinstance(combination, Combination), combination
    assert (await clone.source.publish(clone.control, tip, combination.commit)).result is PublishResult.DONE
    return combination.commit


async def another_clone(clone: Clone, name: str, base: str = "") -> Clone:
    source = clone.source
    return (await make_clone(source, clone.folder.with_name(name), base or clone.base)).clone


@pytest.mark.parametrize(
    ("style", "subjects"),
    [
        ("squash", "Title of t1\nTitle of other\nfirst"),
        ("merge", "Title of t1\nTitle of other\nfirst"),
        ("rebase", "three\ntwo\none\nTitle of other\nfirst"),
    ],
)
async def test_a_style_decides_how_the_history_reads(tmp_path: Path, style: Style, subjects: str) -> None:
    clone = await new_clone(tmp_path, {"a.txt": LINES, "b.txt": LINES})
    other = await another_clone(clone, "other")
    await land(other, {"b.txt": LINES.replace("3\n", "three\n", 1)}, "other")
    for number, name in enumerate(("one", "two", "three")):
        commit_files(clone.work, {"a.txt": LINES.replace(f"{number}\n", name + "\n", 1)}, name)
    head = (await snapshot(clone, "rest", trailers("t1"))).head
    tip = await clone.source.fetch()

    combination = await combine(clone, clone.base, head, tip, style=style, message=message())

    assert isinstance(combination, Combination)
    assert git(clone.control, "log", "--first-parent", "--format=%s", combination.commit) == subjects
    parents = git(clone.control, "log", "-1", "--format=%P", combination.commit).split()
    assert parents[0] == tip or style == "rebase"
    assert (parents[1:] == [head]) == (style == "merge")
    assert (await clone.source.publish(clone.control, tip, combination.commit)).result is PublishResult.DONE
    assert (
        await clone.source.find_landed("t1", "swarm-1", clone.base, combination.commit) == combination.commit
    )
    assert git(clone.source.path, "show", "swarm/main:b.txt").startswith("0\n1\n2\nthree\n")
    assert (
        git(clone.source.path, "log", "-1", "--format=%an", "swarm/main^{/Title of other}")
        == "Amplifier Swarm"
    )


@pytest.mark.parametrize("style", ["squash", "merge", "rebase"])
async def test_work_on_the_newest_tip_lands_under_its_trailers(tmp_path: Path, style: Style) -> None:
    clone = await new_clone(tmp_path)

    tip = await land(clone, {"new.txt": "new\n"}, "t1", style)

    assert await clone.source.find_landed("t1", "swarm-1", clone.base, tip) == tip
    assert git(clone.source.path, "rev-parse", "swarm/main^") == clone.base


async def test_a_conflict_names_the_files_and_the_tasks_that_changed_them(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {"a.txt": LINES, "b\nc.txt": LINES})
    for name, files in {"x": {"a.txt": "x\n"}, "y": {"b\nc.txt": "y\n"}, "z": {"z.txt": "z\n"}}.items():
        await land(await another_clone(clone, name), files, name)
    head = commit_files(clone.work, {"a.txt": "mine\n", "b\nc.txt": "mine\n"})
    tip = await clone.source.fetch()

    conflict = await combine(clone, clone.base, head, tip, style="squash", message=message())

    assert conflict == Conflict(("a.txt", "b\nc.txt"), ("y", "x"))
    assert git(clone.work, "status", "--porcelain") == ""
    assert await clone.source.fetch() == tip


async def test_a_session_that_merged_the_target_itself_lands_without_a_conflict(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {"a.txt": LINES})
    await land(await another_clone(clone, "x"), {"a.txt": LINES.replace("5\n", "five\n", 1)}, "x")
    git(clone.work, "fetch", "-q")
    git(clone.work, "merge", "-q", "origin/swarm/main")

    await land(clone, {"a.txt": LINES.replace("5\n", "five and more\n", 1)}, "t1")

    assert "five and more" in git(clone.source.path, "show", "swarm/main:a.txt")


async def test_work_that_the_target_has_already_makes_no_commit(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    await land(await another_clone(clone, "x"), {"same.txt": "same\n"}, "x")
    head = commit_files(clone.work, {"same.txt": "same\n"})
    tip = await clone.source.fetch()

    assert await combine(clone, clone.base, head, tip, style="squash", message=message()) == Combination(tip)
    unchanged = await combine(clone, clone.base, clone.base, tip, style="merge", message=message())
    assert unchanged == Combination(tip)


@pytest.mark.parametrize("style", ["squash", "merge", "rebase"])
async def test_what_a_person_took_off_the_target_does_not_come_back(tmp_path: Path, style: Style) -> None:
    first = await new_clone(tmp_path)
    bad = await land(first, {"bad.txt": "bad\n"}, "bad")
    clone = await another_clone(first, "t1", bad)
    head = commit_files(clone.work, {"good.txt": "good\n"})
    git(first.source.path, "update-ref", "refs/heads/swarm/main", first.base)

    combination = await combine(clone, bad, head, first.base, style=style, message=message())

    assert isinstance(combination, Combination)
    assert git(clone.control, "ls-tree", "-r", "--name-only", combination.commit).split() == [
        "good.txt",
        "one.txt",
        "two.txt",
    ]
    assert bad not in git(clone.control, "rev-list", combination.commit).split()


@pytest.mark.parametrize("style", ["squash", "merge", "rebase"])
@pytest.mark.parametrize("merged", [True, False])
async def test_a_session_cannot_forge_the_landing_of_another_task(
    tmp_path: Path, style: Style, *, merged: bool
) -> None:
    clone = await new_clone(tmp_path)
    forged = "x\n\nSwarm-Task: victim\nSwarm-Attempt: 1\nSwarm-Id: swarm-1"
    if merged:
        git(clone.work, "switch", "-q", "-c", "side")
        commit_files(clone.work, {"f.txt": "f\n"}, forged)
        git(clone.work, "switch", "-q", "-")
        git(clone.work, "merge", "-q", "--no-ff", "side")
    else:
        commit_files(clone.work, {"f.txt": "f\n"}, forged)

    tip = await land(clone, {"g.txt": "g\n"}, "t1", style)

    assert await clone.source.find_landed("victim", "swarm-1", "", tip) is None
    assert await clone.source.find_landed("t1", "swarm-1", "", tip) == tip


async def test_text_of_a_task_that_looks_like_trailers_is_none(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    head = commit_files(clone.work, {"f.txt": "f\n"})
    text = LandingMessage("Title\n\nSwarm-Task: victim\nSwarm-Id: swarm-1", trailers("t1"))
    combination = await combine(clone, clone.base, head, clone.base, style="squash", message=text)
    assert isinstance(combination, Combination)
    await clone.source.publish(clone.control, clone.base, combination.commit)

    assert await clone.source.find_landed("victim", "swarm-1", "", combination.commit) is None
    assert await clone.source.find_landed("t1", "swarm-1", "1" * 40, combination.commit) == combination.commit


async def test_a_task_finds_only_the_landing_of_its_own_creation(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    head = commit_files(clone.work, {"f.txt": "f\n"})
    named = LandingMessage("Title", {**trailers("t1"), "Swarm-Creation": "first"})
    combination = await combine(clone, clone.base, head, clone.base, style="squash", message=named)
    assert isinstance(combination, Combination)
    await clone.source.publish(clone.control, clone.base, combination.commit)
    tip, find = combination.commit, clone.source.find_landed

    for since in ("", clone.base):
        assert await find("t1", "swarm-1", since, tip, creation="first") == tip
        assert await find("t1", "swarm-1", since, tip, creation="second") is None
        assert await find("t1", "swarm-1", since, tip) == tip, "a task from before has no name"


async def test_a_landing_without_the_name_of_a_creation_counts_after_the_first_base_only(
    tmp_path: Path,
) -> None:
    clone = await new_clone(tmp_path)
    tip = await land(clone, {"f.txt": "f\n"}, "t1")
    find = clone.source.find_landed

    assert await find("t1", "swarm-1", clone.base, tip, creation="first") == tip
    assert await find("t1", "swarm-1", "", tip, creation="first") is None
    assert await find("t1", "swarm-1", "1" * 40, tip, creation="first") is None


async def test_of_many_landings_at_once_one_moves_the_target(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    clones = []
    for number in range(4):
        # Sources of their own, as those of workers that know nothing of each other.
        source = await opened(root)
        clones.append((await make_clone(source, tmp_path / "w" / f"t{number}", await source.fetch())).clone)
    commits = [await _combined(clone, {f"{number}.txt": "x\n"}) for number, clone in enumerate(clones)]

    found = await asyncio.gather(
        *(
            clone.source.publish(clone.control, clone.base, new)
            for clone, new in zip(clones, commits, strict=True)
        )
    )

    results = [publication.result for publication in found]
    assert sorted(results) == ["done", "moved", "moved", "moved"]
    assert git(root, "rev-parse", "swarm/main") == commits[results.index(PublishResult.DONE)]
    for clone in clones:
        await clone.source.unpin(clone.folder.name)
    assert git(root, "for-each-ref", "refs/swarm") == ""


async def _combined(clone: Clone, files: dict[str, str]) -> str:
    head = commit_files(clone.work, files)
    combination = await combine(clone, clone.base, head, clone.base, style="squash", message=message())
    assert isinstance(combination, Combination)
    return combination.commit


async def checked_out_target(tmp_path: Path) -> tuple[SourceRepository, Clone]:
    source = await opened(new_repository(tmp_path / "project"), target="main")
    return source, (await make_clone(source, tmp_path / "w" / "t1-1", await source.fetch())).clone


async def test_a_clean_checkout_of_the_target_follows(tmp_path: Path) -> None:
    source, clone = await checked_out_target(tmp_path)
    write_files(source.path, {"untracked.txt": "stays\n"})

    await land(clone, {"one.txt": "landed\n", "new.txt": "new\n"}, "t1")

    assert (source.path / "one.txt").read_text() == "landed\n"
    assert git(source.path, "status", "--porcelain") == "?? untracked.txt"


def dirty(root: Path) -> None:
    write_files(root, {"two.txt": "dirty\n"})


def staged(root: Path) -> None:
    write_files(root, {"staged.txt": "staged\n"})
    git(root, "add", "staged.txt")


def in_the_way(root: Path) -> None:
    write_files(root, {"new.txt": "untracked, and landed by the task\n"})


def locked(root: Path) -> None:
    (root / ".git" / "index.lock").touch()


def with_filter(root: Path) -> None:
    git(root, "config", "filter.lfs.smudge", "touch /tmp/never; cat")
    (root / ".git" / "info" / "attributes").write_text("new.txt filter=lfs\n")


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (dirty, "has uncommitted changes on main: commit or stash them"),
        (staged, "has uncommitted changes on main: commit or stash them"),
        (in_the_way, "can't follow main"),
        (locked, "index.lock"),
        (
            with_filter,
            "need the filter lfs, which workers do not run: pass a --target that is not checked out",
        ),
    ],
)
async def test_a_checkout_that_cannot_follow_is_not_touched(
    tmp_path: Path, prepare: Callable[[Path], None], reason: str
) -> None:
    root = new_repository(tmp_path / "project")
    prepare(root)
    source = await opened(root, target="main")
    clone = (await make_clone(source, tmp_path / "w" / "t1-1", await source.fetch())).clone
    new = await _combined(clone, {"one.txt": "landed\n", "new.txt": "new\n"})
    before = touchable(root)

    publication = await source.publish(clone.control, clone.base, new)

    assert publication.result is PublishResult.BLOCKED
    assert reason in publication.reason
    assert touchable(root) == before


def touchable(root: Path) -> dict[str, bytes]:
    """Returns the state of all files that a landing could harm: not objects, our refs and ORIG_HEAD."""
    ours = (".git/objects", ".git/refs/swarm", ".git/ORIG_HEAD")
    return {name: state for name, state in tree_state(root).items() if not name.startswith(ours)}


async def test_a_target_that_is_checked_out_in_a_linked_work_tree_follows_there(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    git(root, "worktree", "add", "-q", "-b", "work", str(tmp_path / "linked"))
    source = await opened(root, target="work")
    clone = (await make_clone(source, tmp_path / "w" / "t1-1", await source.fetch())).clone

    await land(clone, {"new.txt": "new\n"}, "t1")

    assert (tmp_path / "linked" / "new.txt").read_text() == "new\n"
    assert not (root / "new.txt").exists()
    assert git(tmp_path / "linked", "status", "--porcelain") == ""


async def test_commits_of_an_earlier_attempt_are_carried_over_one_by_one(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {"a.txt": LINES})
    commit_files(clone.work, {"mine.txt": "1\n"}, "mine, first")
    commit_files(clone.work, {"mine.txt": "2\n"}, "mine, second")
    head = (await snapshot(clone, "rest", trailers("t1"))).head
    await clone.source.keep(clone.control, head, "refs/swarm/t1/1")
    tip = await land(await another_clone(clone, "x"), {"a.txt": "other\n"}, "x")
    second = await another_clone(clone, "t1-2", tip)

    assert await carry_over(second, head)

    assert git(second.work, "log", "--format=%s|%an") == (
        "mine, second|nobody\nmine, first|nobody\nTitle of x|Amplifier Swarm\nfirst|nobody"
    )
    assert git(second.work, "status", "--porcelain") == ""
    assert (second.work / "mine.txt").read_text() == "2\n"


async def test_commits_that_conflict_are_not_carried_over(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path, {"a.txt": LINES})
    head = commit_files(clone.work, {"a.txt": "mine\n"})
    await clone.source.keep(clone.control, head, "refs/swarm/t1/1")
    tip = await land(await another_clone(clone, "x"), {"a.txt": "other\n"}, "x")
    second = await another_clone(clone, "t1-2", tip)

    assert not await carry_over(second, head)

    assert git(second.work, "rev-parse", "HEAD") == tip
    assert (second.work / "a.txt").read_text() == "other\n"
    assert not await carry_over(second, tip)


async def test_two_clones_share_no_stash_branch_or_setting(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    other = await another_clone(clone, "other")
    write_files(clone.work, {"one.txt": "stashed\n"})
    git(clone.work, "stash", "-q")
    git(clone.work, "branch", "mine")
    git(clone.work, "config", "core.hooksPath", "/mine")

    for root in (other.work, clone.source.path):
        assert git(root, "stash", "list") == ""
        assert "mine" not in git(root, "branch", "--all") + git(root, "config", "--list", "--local")


@pytest.mark.parametrize("session_push", [True, False])
async def test_a_session_pushes_only_where_it_may(tmp_path: Path, *, session_push: bool) -> None:
    source = await opened(new_repository(tmp_path / "project"))
    base = await source.fetch()
    clone = (await make_clone(source, tmp_path / "w1", base, session_push=session_push)).clone
    commit_files(clone.work, {"a.txt": "a\n"})

    if session_push:
        git(clone.work, "push", "-q", "origin", "HEAD:refs/heads/by-session")
        return
    with pytest.raises(AssertionError, match=r"no pushes from this clone \(--session-push allows them\)"):
        git(clone.work, "push", "-q", "origin", "HEAD:refs/heads/by-session")


async def test_a_clone_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source = await opened(new_repository(tmp_path / "project"))

    with pytest.raises(GitFailure, match="git update-ref failed"):
        await make_clone(source, tmp_path / "w1", "1" * 40)

    assert not (tmp_path / "w1").exists()
    assert git(source.path, "for-each-ref", "refs/swarm") == ""
