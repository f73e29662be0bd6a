"""Clones, snapshots and landings with real git, in the order of one attempt."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.git_repositories import PlainGit, commit_files, git, new_repository, opened, write_files
from swarm_worker.workspace.clone import Clone, check_out, make_clone, open_clone
from swarm_worker.workspace.git_runner import GitFailure, GitOutput
from swarm_worker.workspace.landing import Combination, LandingMessage, combine
from swarm_worker.workspace.ref_names import attempt_ref
from swarm_worker.workspace.snapshot import restore, snapshot
from swarm_worker.workspace.source import PublishResult, SourceRepository
from swarm_worker.workspace.work_change import read_change

TRAILERS = {"Swarm-Task": "t1", "Swarm-Attempt": "1", "Swarm-Session": "s-1", "Swarm-Id": "swarm-1"}


pytestmark = [pytest.mark.usefixtures("empty_home"), pytest.mark.slow]


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


class Killed(PlainGit):
    """A git of a worker that is killed at its n-th command, before it runs or right after."""

    def __init__(self, at: int, *, ran: bool) -> None:
        super().__init__()
        self.at, self.ran = at, ran

    async def __call__(self, arguments: Sequence[str], **options: Any) -> GitOutput:
        dead = len(self.commands) >= self.at
        if dead and not (self.ran and len(self.commands) == self.at):
            self.commands.append(arguments)
            return GitOutput(-9, b"", "")
        output = await super().__call__(arguments, **options)
        return GitOutput(-9, b"", "") if dead else output


async def land(source: SourceRepository, clone: Clone, head: str) -> str:
    """Lands once, as a worker does that looks for an earlier landing first; returns the commit on the target."""
    tip = await source.fetch(clone.base)
    if found := await source.find_landed("t1", "swarm-1", clone.base, tip):
        return found
    combination = await combine(
        clone, clone.base, head, tip, style="squash", message=LandingMessage("Title", TRAILERS)
    )
    assert isinstance(combination, Combination)
    published = await source.publish(clone.control, tip, combination.commit)
    assert published.result is PublishResult.DONE
    return combination.commit


@pytest.mark.parametrize("checked_out", [True, False])
@pytest.mark.parametrize("ran", [True, False])
async def test_a_landing_that_is_killed_at_any_git_is_finished_once(
    tmp_path: Path, *, ran: bool, checked_out: bool
) -> None:
    number, survived = 0, False
    while not survived:
        root = new_repository(tmp_path / f"project{number}")
        source = await opened(root, target="main" if checked_out else "")
        clone = (await make_clone(source, tmp_path / f"w{number}", await source.fetch())).clone
        head = commit_files(clone.work, {"new.txt": "new\n"})
        dying = source.with_runner(Killed(number, ran=ran))
        try:
            await land(dying, replace(clone, source=dying), head)
            survived = len(dying.runner.commands) <= number  # type: ignore[attr-defined]
        except (GitFailure, AssertionError):
            pass
        between = git(root, "log", "--format=%s", source.target)
        assert between in {"first", "Title\nfirst"}

        landed = await land(source, clone, head)

        assert git(root, "log", "--format=%s", source.target) == "Title\nfirst"
        assert git(root, "rev-parse", source.target) == landed
        assert git(root, "status", "--porcelain") == ""
        number += 1
    assert number >= 7
