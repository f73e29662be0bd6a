"""Clones, snapshots and landings with real git, in the order of one attempt."""

from pathlib import Path

import pytest

from support.git_repositories import PlainGit, commit_files, git, new_repository, opened, write_files
from swarm_worker.workspace.clone import check_out, make_clone, open_clone
from swarm_worker.workspace.landing import Combination, LandingMessage, combine
from swarm_worker.workspace.ref_names import attempt_ref
from swarm_worker.workspace.snapshot import restore, snapshot
from swarm_worker.workspace.source import PublishResult
from swarm_worker.workspace.work_change import read_change

TRAILERS = {"Swarm-Task": "t1", "Swarm-Attempt": "1", "Swarm-Session": "s-1", "Swarm-Id": "swarm-1"}


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sets a home without any git settings."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    return folder


async def test_a_task_lands_with_at_most_ten_gits(tmp_path: Path) -> None:
    runner = PlainGit()
    root = new_repository(tmp_path / "project")
    source = await opened(root, runner=runner)
    base = await source.fetch()
    made = await make_clone(source, tmp_path / "w" / "t1-1", base)
    clone = made.clone
    assert made.remarks == ()
    assert git(clone.work, "status", "--porcelain") == ""
    commit_files(clone.work, {"new.txt": "new\n"}, "by the session")
    write_files(clone.work, {"one.txt": "one\nmore\n"})

    taken = await snapshot(clone, "Title of the task", TRAILERS)

    assert taken.uncommitted
    assert git(clone.work, "status", "--porcelain") == ""
    assert git(clone.work, "log", "--format=%s") == "Title of the task\nby the session\nfirst"
    change = await read_change(clone, base, taken.head)
    assert [(each.path, each.status, each.added, each.removed) for each in change.files] == [
        ("new.txt", "A", 1, 0),
        ("one.txt", "M", 1, 0),
    ]
    assert "+more" in change.patch
    write_files(clone.work, {"junk.txt": "junk", "two.txt": "changed"})
    assert set(await restore(clone, taken.head)) == {"junk.txt", "two.txt"}
    assert git(clone.work, "status", "--porcelain") == ""
    kept = await source.keep(clone.control, taken.head, attempt_ref("t1", 1))
    assert git(root, "rev-parse", kept.ref) == taken.head

    # Another task lands meanwhile.
    git(root, "switch", "-q", "swarm/main")
    other = commit_files(root, {"other.txt": "other\n"}, "other")
    git(root, "switch", "-q", "main")
    runner.commands.clear()
    tip = await source.fetch(base)
    assert tip == other
    assert await source.find_landed("t1", "swarm-1", base, tip) is None
    combination = await combine(
        clone, base, taken.head, tip, style="squash", message=LandingMessage("Title", TRAILERS)
    )
    assert isinstance(combination, Combination)
    await check_out(clone, combination.commit)
    published = await source.publish(clone.control, tip, combination.commit)

    assert published.result is PublishResult.DONE
    commands = [words[words.index("diff.autoRefreshIndex=false") + 1 :] for words in runner.commands]
    assert len(commands) <= 10, commands
    assert git(root, "log", "--format=%s", "swarm/main") == "Title\nother\nfirst"
    assert git(root, "show", "swarm/main:one.txt") == "one\nmore"
    assert await source.find_landed("t1", "swarm-1", base, await source.fetch()) == combination.commit
    assert await source.find_landed("t1", "swarm-2", base, await source.fetch()) is None
    assert await source.find_landed("t", "swarm-1", base, await source.fetch()) is None
    reopened = await open_clone(source, clone.folder)
    assert (reopened.base, reopened.folder) == (base, clone.folder)
