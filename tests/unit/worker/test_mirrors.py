"""Work travels through a remote repository: workers on separate disks share nothing else."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.git_repositories import PlainGit, commit_files, git, make_hostile, new_repository, write_files
from swarm_worker.workspace.clone import Clone, make_clone
from swarm_worker.workspace.folder_lock import POLL_S, FolderLock
from swarm_worker.workspace.git_runner import GitFailure, GitOutput
from swarm_worker.workspace.landing import Combination, LandingMessage, carry_over, combine
from swarm_worker.workspace.mirror import MirrorRepository, mirror_folder
from swarm_worker.workspace.snapshot import snapshot
from swarm_worker.workspace.source import MissingCommit, PublishResult

pytestmark = pytest.mark.usefixtures("empty_home")

TRAILERS = {"Swarm-Task": "t1", "Swarm-Attempt": "1", "Swarm-Id": "swarm-1"}


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Makes a bare repository with one commit on main."""
    first = new_repository(tmp_path / "first")
    git(tmp_path, "clone", "-q", "--bare", str(first), "remote.git")
    return tmp_path / "remote.git"


@dataclass
class SlowFetch(PlainGit):
    """A git whose fetch goes on when the test lets it."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, arguments: Sequence[str], **how: Any) -> GitOutput:
        if "fetch" in arguments:
            self.began.set()
            await self.may_go_on.wait()
        return await super().__call__(arguments, **how)


def worker(remote: Path, name: str, target: str = "", url: str = "") -> MirrorRepository:
    url = url or str(remote)
    return MirrorRepository(mirror_folder(remote.parent / name, url), target, PlainGit(), url)


async def ready(remote: Path, name: str, target: str = "") -> MirrorRepository:
    source = worker(remote, name, target)
    inspection = await source.inspect()
    assert inspection.usable, inspection.reason
    await source.ensure_target()
    return source


async def clone_at(source: MirrorRepository, name: str, base: str) -> Clone:
    return (await make_clone(source, source.path.parent.parent / "w" / name, base)).clone


async def combined(clone: Clone, files: dict[str, str]) -> str:
    write_files(clone.work, files)
    head = (await snapshot(clone, "work", TRAILERS)).head
    message = LandingMessage("Title", TRAILERS)
    combination = await combine(clone, clone.base, head, clone.base, style="squash", message=message)
    assert isinstance(combination, Combination)
    return combination.commit


async def test_a_worker_reads_what_another_one_landed(remote: Path) -> None:
    first, second = await ready(remote, "a"), await ready(remote, "b")
    assert first.target == "swarm/main"
    base = await first.fetch()
    clone = await clone_at(first, "t1-1", base)
    new = await combined(clone, {"new.txt": "by a\n"})
    assert await first.find_landed("t1", "swarm-1", base, base) is None

    assert (await first.publish(clone.control, base, new)).result is PublishResult.DONE

    assert await second.fetch(new) == new
    assert await second.find_landed("t1", "swarm-1", base, new) == new
    dependent = await clone_at(second, "t2-1", new)
    assert (dependent.work / "new.txt").read_text() == "by a\n"
    git(dependent.work, "fetch", "-q")
    assert git(dependent.work, "rev-parse", "origin/swarm/main") == new


async def test_workers_that_share_a_mirror_fetch_one_after_the_other(remote: Path) -> None:
    first, second = await ready(remote, "shared"), await ready(remote, "shared")
    slow, other = SlowFetch(), PlainGit()
    fetching = asyncio.create_task(first.with_runner(slow).fetch())
    await slow.began.wait()
    waiting = asyncio.create_task(second.with_runner(other).fetch())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * POLL_S):
            await asyncio.shield(waiting)

    assert other.commands == [], "two fetches at once fail by each other's change of a ref"
    slow.may_go_on.set()
    assert await fetching == await waiting


async def test_a_mirror_that_another_worker_never_gives_back_is_named(remote: Path) -> None:
    first, second = await ready(remote, "shared"), await ready(remote, "shared")
    second.lock = FolderLock(second.path.with_suffix(".lock"), wait_s=0.01)

    async with first.lock:
        with pytest.raises(
            GitFailure, match=r"another worker has held .*\.lock for 0\.01 s; end that worker"
        ):
            await second.fetch()
    assert await second.fetch()


async def test_a_target_that_moved_meanwhile_is_not_overwritten(remote: Path) -> None:
    first, second = await ready(remote, "a"), await ready(remote, "b")
    base = await first.fetch()
    one = await clone_at(first, "t1-1", base)
    two = await clone_at(second, "t2-1", await second.fetch())
    new, late = await combined(one, {"1.txt": "1\n"}), await combined(two, {"2.txt": "2\n"})

    assert (await first.publish(one.control, base, new)).result is PublishResult.DONE
    assert (await second.publish(two.control, base, late)).result is PublishResult.MOVED
    # The answer to a push may be lost: the same landing again is done.
    assert (await first.publish(one.control, base, new)).result is PublishResult.DONE

    assert git(remote, "rev-parse", "swarm/main") == new


async def test_a_remote_that_refuses_is_quoted(remote: Path) -> None:
    source = await ready(remote, "a")
    base = await source.fetch()
    clone = await clone_at(source, "t1-1", base)
    new = await combined(clone, {"1.txt": "1\n"})
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected branch >&2\nexit 1\n")
    hook.chmod(0o755)

    publication = await source.publish(clone.control, base, new)

    assert publication.result is PublishResult.BLOCKED
    assert "protected branch" in publication.reason
    assert "\n" not in publication.reason
    kept = await source.keep(clone.control, new, "refs/swarm/t1/1")
    assert kept.ref == "refs/swarm/t1/1"
    assert "protected branch" in kept.remark
    assert git(source.path, "rev-parse", kept.ref) == new


async def test_an_attempt_on_another_machine_is_carried_over(remote: Path) -> None:
    first, second = await ready(remote, "a"), await ready(remote, "b")
    base = await first.fetch()
    clone = await clone_at(first, "t1-1", base)
    write_files(clone.work, {"half.txt": "half\n"})
    head = (await snapshot(clone, "half", TRAILERS)).head
    assert await first.keep(clone.control, head, "refs/swarm/t1/1") == ("refs/swarm/t1/1", "")
    other = await clone_at(second, "t1-1", base)
    write_files(other.work, {"other.txt": "other\n"})
    otherwise = (await snapshot(other, "other", TRAILERS)).head

    assert await second.obtain(head, "refs/swarm/t1/1")
    assert not await second.obtain("1" * 40, "refs/swarm/t1/1")
    assert await carry_over(await clone_at(second, "t1-2", base), head)

    kept = await second.keep(other.control, otherwise, "refs/swarm/t1/1")
    assert kept.ref == "refs/swarm/t1/1.2"
    assert git(remote, "rev-parse", "refs/swarm/t1/1", "refs/swarm/t1/1.2").split() == [head, otherwise]


async def test_a_remote_out_of_reach_is_an_error_and_a_missing_commit_is_one_too(remote: Path) -> None:
    source = await ready(remote, "a")
    base = await source.fetch()
    clone = await clone_at(source, "t1-1", base)
    new = await combined(clone, {"1.txt": "1\n"})
    with pytest.raises(MissingCommit):
        await source.fetch("1" * 40)
    shutil.move(remote, remote.with_name("away"))

    with pytest.raises(GitFailure, match="git fetch failed"):
        await source.fetch()
    with pytest.raises(GitFailure, match="git ls-remote failed"):
        await source.publish(clone.control, base, new)
    kept = await source.keep(clone.control, new, "refs/swarm/t1/1")
    assert "is kept in" in kept.remark
    assert not (await source.inspect()).usable


async def test_the_target_of_a_remote_follows_its_head_until_it_has_work(remote: Path) -> None:
    source = await ready(remote, "a")
    git(
        remote.parent / "first",
        "push",
        "-q",
        str(remote),
        f"{commit_files(remote.parent / 'first', {'n.txt': 'n'})}:main",
    )
    moved = git(remote, "rev-parse", "main")
    assert await source.ensure_target() == moved
    clone = await clone_at(source, "t1-1", moved)
    new = await combined(clone, {"1.txt": "1\n"})
    await source.publish(clone.control, moved, new)
    git(
        remote.parent / "first",
        "push",
        "-q",
        str(remote),
        f"{commit_files(remote.parent / 'first', {'m.txt': 'm'})}:main",
    )

    assert await source.ensure_target() == new


async def test_a_branch_that_vanishes_from_the_remote_makes_room_for_others(remote: Path) -> None:
    git(remote, "branch", "a", "main")
    source = await ready(remote, "a")
    git(remote, "branch", "-D", "a")
    git(remote, "branch", "a/b", "main")

    await source.fetch()

    assert (
        git(source.path, "for-each-ref", "--format=%(refname:short)", "refs/heads") == "a/b\nmain\nswarm/main"
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("-x", "is not a URL or a path"),
        ("", "is not a URL or a path"),
        ("ext::sh -c true", "uses a transport that is a program of its own"),
        ("fd::3", "uses a transport that is a program of its own"),
        ("foo://host/x", "uses a transport that is a program of its own"),
        ("https://user:secret@host.invalid/x", "contains a password"),
        ("/nowhere/at/all", "does not appear to be a git repository"),
    ],
)
async def test_a_url_that_is_no_source_is_refused_in_one_line(tmp_path: Path, url: str, reason: str) -> None:
    source = MirrorRepository(mirror_folder(tmp_path, url), "", PlainGit(), url)

    inspection = await source.inspect()

    assert not inspection.usable
    assert reason in inspection.reason
    assert "secret" not in inspection.reason
    assert "\n" not in inspection.reason
    assert not source.path.exists()


async def test_an_empty_remote_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")

    inspection = await worker(tmp_path / "empty.git", "a").inspect()

    assert "has no commit yet" in inspection.reason


async def test_programs_of_a_remote_and_of_a_session_never_run_here(remote: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    source = await ready(remote, "a")
    base = await source.fetch()
    clone = await clone_at(source, "t1-1", base)
    make_hostile(clone.work, marker)
    new = await combined(clone, {"1.txt": "1\n"})
    await source.keep(clone.control, new, "refs/swarm/t1/1")

    assert (await source.publish(clone.control, base, new)).result is PublishResult.DONE
    assert not marker.exists(), marker.read_text()


async def test_variables_of_the_worker_do_not_move_its_git_elsewhere(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = new_repository(tmp_path / "elsewhere")
    for name, value in {
        "GIT_DIR": str(elsewhere / ".git"),
        "GIT_WORK_TREE": str(elsewhere),
        "GIT_INDEX_FILE": str(elsewhere / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(elsewhere / ".git" / "objects"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "junk",
        "SWARM_TOKEN": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    source = await ready(remote, "a")
    clone = await clone_at(source, "t1-1", await source.fetch())
    new = await combined(clone, {"1.txt": "1\n"})

    assert (await source.publish(clone.control, clone.base, new)).result is PublishResult.DONE
    assert "SWARM_TOKEN" not in source.network.env
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    assert git(elsewhere, "log", "--format=%s") == "first"
