"""A source repository: what can be one, what is taken from it, and what is never obeyed or changed in it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.git_repositories import (
    PlainGit,
    commit_files,
    git,
    make_hostile,
    new_repository,
    opened,
    tree_state,
    write_files,
)
from swarm_worker.workspace.checkout import UserCheckout
from swarm_worker.workspace.clone import make_clone
from swarm_worker.workspace.git_runner import GitFailure, GitOutput
from swarm_worker.workspace.landing import Combination, LandingMessage, combine
from swarm_worker.workspace.ref_names import attempt_ref, pin_ref, ref_component
from swarm_worker.workspace.snapshot import restore, snapshot
from swarm_worker.workspace.source import MissingCommit, PublishResult, SourceRepository

pytestmark = pytest.mark.usefixtures("empty_home")

LINES = "".join(f"{number}\n" for number in range(20))
TRAILERS = {"Swarm-Task": "t1", "Swarm-Attempt": "1", "Swarm-Id": "swarm-1"}


async def test_a_work_tree_with_a_commit_is_a_source(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    source = SourceRepository(root, "", PlainGit())

    inspection = await source.inspect()

    assert inspection.usable
    assert (inspection.branch, inspection.head) == ("main", git(root, "rev-parse", "HEAD"))
    assert source.target == "swarm/main"


def unborn(root: Path) -> Path:
    root.mkdir()
    git(root, "init", "-q")
    return root


def bare(root: Path) -> Path:
    new_repository(root.with_name("full"))
    git(root.parent, "clone", "-q", "--bare", "full", root.name)
    return root


def below_the_top(root: Path) -> Path:
    return new_repository(root, {"src/a.py": "a\n"}) / "src"


def inside_the_git_folder(root: Path) -> Path:
    return new_repository(root) / ".git"


def detached(root: Path) -> Path:
    git(new_repository(root), "switch", "-q", "--detach")
    return root


def partial(root: Path) -> Path:
    full = new_repository(root.with_name("full"))
    git(full, "config", "uploadpack.allowFilter", "true")
    git(full.parent, "clone", "-q", "--filter=blob:none", "--no-checkout", full.as_uri(), str(root))
    return root


def without_repository(root: Path) -> Path:
    root.mkdir()
    return root


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (unborn, "has no commit yet"),
        (bare, "is a bare repository"),
        (inside_the_git_folder, "is a bare repository or a .git folder"),
        (below_the_top, "is the folder src/ of a larger work tree"),
        (detached, "HEAD is detached, so no target follows from it; pass --target"),
        (partial, "is a partial clone"),
        (without_repository, "is not in a git repository"),
    ],
)
async def test_other_folders_are_no_source_for_a_named_reason(
    tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    inspection = await SourceRepository(make(tmp_path / "project"), "", PlainGit()).inspect()

    assert not inspection.usable
    assert reason in inspection.reason
    assert "\n" not in inspection.reason


async def test_a_detached_head_is_a_source_if_the_target_is_named(tmp_path: Path) -> None:
    source = SourceRepository(detached(tmp_path / "project"), "work", PlainGit())

    assert (await source.inspect()).usable
    assert await source.ensure_target() == git(source.path, "rev-parse", "work")


@pytest.mark.parametrize(
    "target", ["-x", "a..b", "a.lock", "a b", "@{u}", "a\nb", "*", "a//b", "a/.b", "a./b", "@", "a:b"]
)
async def test_a_target_that_git_refuses_or_reads_as_an_option_is_refused(
    tmp_path: Path, target: str
) -> None:
    inspection = await SourceRepository(new_repository(tmp_path / "p"), target, PlainGit()).inspect()

    assert not inspection.usable
    assert "is not a valid name of a branch; pass another --target" in inspection.reason


async def test_an_old_git_is_refused_with_its_version(tmp_path: Path) -> None:
    class OldGit(PlainGit):
        async def __call__(self, arguments: Sequence[str], **options: Any) -> GitOutput:
            return GitOutput(0, b"git version 2.37.9 (Apple Git)\n", "")

    inspection = await SourceRepository(new_repository(tmp_path / "p"), "", OldGit()).inspect()

    assert inspection.reason == "clones need git 2.38 or newer; this is git version 2.37.9 (Apple Git)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_a_folder_of_another_user_is_refused_with_the_remedy(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    for path in (root, root / ".git"):
        os.chown(path, 12345, 12345)

    inspection = await SourceRepository(root, "", PlainGit()).inspect()

    assert not inspection.usable
    assert "safe.directory" in inspection.reason


async def test_the_target_follows_the_checked_out_branch_until_it_has_work(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    source = await opened(root)
    first = await source.ensure_target()
    second = commit_files(root, {"more.txt": "more\n"})
    assert await source.ensure_target() == second != first
    git(root, "switch", "-q", "swarm/main")
    landed = commit_files(root, {"landed.txt": "landed\n"})
    git(root, "switch", "-q", "main")
    commit_files(root, {"user.txt": "user\n"})

    assert await source.ensure_target() == landed


async def test_a_branch_in_the_way_of_the_target_is_an_error(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project")
    git(root, "branch", "swarm")
    source = SourceRepository(root, "", PlainGit())
    await source.inspect()

    with pytest.raises(GitFailure, match="refs/heads/swarm"):
        await source.ensure_target()


async def test_a_missing_commit_is_told_apart_from_a_target_that_was_moved_back(tmp_path: Path) -> None:
    source = await opened(new_repository(tmp_path / "project"))
    aside = git(source.path, "commit-tree", "HEAD^{tree}", "-m", "aside")

    with pytest.raises(MissingCommit, match="is not in"):
        await source.fetch("1" * 40)
    with pytest.raises(MissingCommit, match="somebody has moved it"):
        await source.fetch(aside)
    git(source.path, "branch", "-D", "-q", "swarm/main")
    with pytest.raises(MissingCommit, match="has no branch swarm/main"):
        await source.fetch(aside)


IDS = [
    "a",
    "a.b",
    "a..b",
    "a...b",
    "a.",
    "a.lock",
    "lock",
    "base",
    "landing",
    "a.-b",
    "A_",
    "a.lock.lock",
    "..lock",
]


def test_ids_become_valid_refs_and_stay_different(tmp_path: Path) -> None:
    ids = ["a" + tail for tail in IDS] + [each for each in IDS if each[0] != "."] + ["a" + "." * 127]
    names = [attempt_ref(each, 1) for each in ids] + [pin_ref(each) for each in ids]

    assert len(set(names)) == 2 * len(set(ids))
    for name in names:
        git(tmp_path, "check-ref-format", name)


@pytest.mark.parametrize("name", ["", "-x", "../x", "a/b", "ä", "a" * 129])
def test_a_name_that_is_no_id_makes_no_ref(name: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        ref_component(name)


async def test_a_commit_that_is_kept_is_never_replaced_by_another(tmp_path: Path) -> None:
    source = await opened(new_repository(tmp_path / "project"))
    base = await source.fetch()
    first, second = [(await make_clone(source, tmp_path / name, base)).clone for name in ("w1", "w2")]
    one = commit_files(first.work, {"a.txt": "one\n"})
    two = commit_files(second.work, {"a.txt": "two\n"})
    further = commit_files(first.work, {"b.txt": "b\n"})
    ref = attempt_ref("t1", 1)

    assert (await source.keep(first.control, one, ref)).ref == ref
    assert (await source.keep(first.control, one, ref)).ref == ref
    assert (await source.keep(second.control, two, ref)).ref == f"{ref}.2"
    assert (await source.keep(first.control, further, ref)).ref == ref
    assert git(source.path, "rev-parse", ref, f"{ref}.2").split() == [further, two]


async def test_a_lock_that_a_killed_git_left_on_a_ref_of_ours_does_not_stop_the_swarm(tmp_path: Path) -> None:
    source = await opened(new_repository(tmp_path / "project"))
    base = await source.fetch()
    refs = source.path / ".git" / "refs"
    locks = [
        refs / name
        for name in (
            "heads/swarm/main.lock",
            "swarm/base/w1.lock",
            "swarm/t1/1.lock",
            "swarm/landing/w1.lock",
        )
    ]
    for lock in locks:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        os.utime(lock, (1, 1))
    user_lock = refs / "heads" / "main.lock"
    user_lock.touch()
    os.utime(user_lock, (1, 1))

    clone = (await make_clone(source, tmp_path / "w1", base)).clone
    head = commit_files(clone.work, {"a.txt": "a\n"})
    assert (await source.keep(clone.control, head, attempt_ref("t1", 1))).ref == attempt_ref("t1", 1)
    assert (await source.publish(clone.control, base, head)).result is PublishResult.DONE
    await source.unpin("w1")

    assert [lock for lock in locks if lock.exists()] == []
    assert user_lock.exists()


async def test_a_swap_whose_git_was_ended_too_late_is_done(tmp_path: Path) -> None:
    class EndedLate(PlainGit):
        async def __call__(self, arguments: Sequence[str], **options: Any) -> GitOutput:
            output = await super().__call__(arguments, **options)
            swap = "update-ref" in arguments and "refs/heads/swarm/main" in arguments
            return GitOutput(-1, b"", "git was ended (stop)") if swap and late else output

    late = False
    source = await opened(new_repository(tmp_path / "project"), runner=EndedLate())
    base = await source.fetch()
    clone = (await make_clone(source, tmp_path / "w1", base)).clone
    head = commit_files(clone.work, {"a.txt": "a\n"})
    late = True

    assert (await source.publish(clone.control, base, head)).result is PublishResult.DONE


async def test_objects_that_a_clone_borrows_survive_a_gc_while_they_are_pinned(tmp_path: Path) -> None:
    source = await opened(new_repository(tmp_path / "project"), target="work")
    root = source.path
    git(root, "switch", "-q", "work")
    base = commit_files(root, {"big.txt": "only on this branch\n" * 100})
    git(root, "switch", "-q", "main")
    clone = (await make_clone(source, tmp_path / "w1", base)).clone
    git(root, "branch", "-D", "-q", "work")
    clean = (
        "-c",
        "gc.reflogExpire=now",
        "-c",
        "gc.reflogExpireUnreachable=now",
        "gc",
        "--quiet",
        "--prune=now",
    )
    git(root, *clean)

    git(clone.work, "fsck", "--full")
    write_files(clone.work, {"new.txt": "new\n"})
    assert (await snapshot(clone, "work", TRAILERS)).changed

    await source.unpin("w1")
    git(root, *clean)
    with pytest.raises(AssertionError):
        git(clone.work, "fsck", "--full")


def as_symlink(root: Path) -> Path:
    new_repository(root)
    (root / ".git").rename(root.with_name("git-elsewhere"))
    (root / ".git").symlink_to(root.with_name("git-elsewhere"))
    return root


def as_linked_work_tree(root: Path) -> Path:
    git(new_repository(root.with_name("first")), "worktree", "add", "-q", "-b", "side", str(root))
    return root


def with_sha256(root: Path) -> Path:
    root.mkdir()
    git(root, "init", "-q", "-b", "main", "--object-format=sha256")
    commit_files(root, {"one.txt": "one\n"})
    return root


def with_borrowed_objects(root: Path) -> Path:
    new_repository(root.with_name("lender"))
    git(root.parent, "clone", "-q", "--shared", "lender", root.name)
    return root


def shallow(root: Path) -> Path:
    full = new_repository(root.with_name("full"))
    for number in range(3):
        commit_files(full, {"one.txt": f"{number}\n"})
    git(root.parent, "clone", "-q", "--depth=2", full.as_uri(), root.name)
    return root


def sparse(root: Path) -> Path:
    new_repository(root, {"one.txt": "one\n", "two.txt": "two\n", "in/a.txt": "a\n", "out/b.txt": "b\n"})
    git(root, "sparse-checkout", "set", "in")
    return root


def with_packed_refs(root: Path) -> Path:
    git(new_repository(root), "pack-refs", "--all")
    return root


def named(name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        return new_repository(root.with_name(name))

    return make


@pytest.mark.parametrize(
    "make",
    [
        *(
            as_symlink,
            as_linked_work_tree,
            with_sha256,
            with_borrowed_objects,
            shallow,
            sparse,
            with_packed_refs,
        ),
        *(
            named('with "quotes" and spaces'),
            named("#comment"),
            named("back\\slash"),
            named("größe"),
            named("-x"),
        ),
        named("a:b"),
    ],
)
async def test_odd_repositories_are_cloned_and_landed_on(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    source = await opened(make(tmp_path / "project"))
    base = await source.fetch()
    clone = (await make_clone(source, tmp_path / "w" / "t1-1", base)).clone
    assert git(clone.work, "status", "--porcelain") == ""
    git(clone.work, "fetch", "-q")
    write_files(clone.work, {"new.txt": "new\n"})

    taken = await snapshot(clone, "work", TRAILERS)
    combination = await combine(
        clone, base, taken.head, base, style="squash", message=LandingMessage("m", TRAILERS)
    )

    assert isinstance(combination, Combination)
    assert (await source.publish(clone.control, base, combination.commit)).result is PublishResult.DONE
    kept = await source.keep(clone.control, taken.head, attempt_ref("t1", 1))
    assert git(source.path, "show", f"{source.target}:new.txt", f"{kept.ref}:new.txt") == "new\nnew"
    git(source.path, "fsck", "--full")


async def test_a_path_with_a_newline_is_refused_in_one_line(tmp_path: Path) -> None:
    inspection = await SourceRepository(new_repository(tmp_path / "a\nb"), "", PlainGit()).inspect()

    assert not inspection.usable
    assert "newline" in inspection.reason


async def test_programs_that_the_settings_of_a_source_name_never_run(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project", {"one.txt": LINES, "two.txt": "two\n"})
    marker = tmp_path / "marker"
    git(root, "switch", "-q", "-c", "swarm/main")
    other = commit_files(root, {"one.txt": "other\n" + LINES})
    git(root, "switch", "-q", "main")
    git(root, "branch", "-f", "swarm/main", "main")
    make_hostile(root, marker)
    source = await opened(root)
    # The time is new and the size is the same, so git has to compare the contents.
    (root / "two.txt").write_text("2wo\n")
    checkout = UserCheckout(root, source.target, source.runner, await source.facts())
    assert await checkout.uncommitted(untracked=True) == ("two.txt",)
    base = await source.fetch()
    clone = (await make_clone(source, tmp_path / "w" / "t1-1", base)).clone
    write_files(clone.work, {"one.txt": LINES + "changed\n", "new.txt": "new\n"})
    taken = await snapshot(clone, "work", TRAILERS)
    write_files(clone.work, {"two.txt": "by a check\n"})
    await restore(clone, taken.head)
    await source.keep(clone.control, taken.head, attempt_ref("t1", 1))
    git(root, "-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/swarm/main", other)
    combination = await combine(
        clone, base, taken.head, other, style="merge", message=LandingMessage("m", TRAILERS)
    )
    assert isinstance(combination, Combination)
    await source.publish(clone.control, other, combination.commit)
    landed = await source.find_landed("t1", "swarm-1", base, await source.fetch())
    write_files(root, {"one.txt": "by the user\n"})
    assert await checkout.uncommitted(untracked=True) == ("one.txt", "two.txt")

    assert landed == combination.commit
    assert git(root, "cat-file", "blob", f"{landed}:one.txt") == f"other\n{LINES}changed"
    assert not marker.exists(), marker.read_text()
    settings = (clone.work / ".git" / "config").read_text() + (clone.control / "config").read_text()
    assert "hostile" not in settings
    assert "ext::" not in settings


async def test_the_checkout_of_the_user_stays_as_it_is_byte_for_byte(tmp_path: Path) -> None:
    root = new_repository(tmp_path / "project", {"one.txt": "1\n", "two.txt": "2\n", "three.txt": "3\n"})
    write_files(root, {"three.txt": "stashed\n"})
    git(root, "stash", "-q")
    write_files(root, {"one.txt": "dirty\n", "two.txt": "staged\n", "untracked.txt": "untracked\n"})
    git(root, "add", "two.txt")
    (root / ".git" / "hooks" / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    git(root, "config", "user.name", "the user")
    source = await opened(root)
    before = {name: state for name, state in tree_state(root).items() if is_of_the_user(name)}
    base = await source.fetch()
    clone = (await make_clone(source, tmp_path / "w" / "t1-1", base)).clone
    commit_files(clone.work, {"one.txt": "by the session\n"})
    git(clone.work, "config", "core.hooksPath", "/nowhere")
    write_files(clone.work, {"one.txt": "stash of the session\n"})
    git(clone.work, "stash", "-q")
    head = (await snapshot(clone, "work", TRAILERS)).head
    combination = await combine(
        clone, base, head, base, style="squash", message=LandingMessage("m", TRAILERS)
    )
    assert isinstance(combination, Combination)
    await source.publish(clone.control, base, combination.commit)
    await source.keep(clone.control, head, attempt_ref("t1", 1))
    await source.unpin("t1-1")

    assert {name: state for name, state in tree_state(root).items() if is_of_the_user(name)} == before
    assert git(root, "stash", "list", "--format=%s") == "WIP on main: " + git(
        root, "log", "-1", "--format=%h %s"
    )
    assert git(root, "for-each-ref", "refs/swarm", "--format=%(refname)") == attempt_ref("t1", 1)


def is_of_the_user(name: str) -> bool:
    """Returns whether a file is one that landings must leave alone: not objects, not the target and our refs."""
    ours = (".git/objects", ".git/refs/swarm", ".git/refs/heads/swarm", ".git/logs/refs/heads/swarm")
    return not name.startswith(ours)
