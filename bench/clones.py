"""R16: the time until a task has a clone of its own, beside `git worktree add` in the same repository."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Finding, Pairs, Setting, at_most
from programs import folder

from support.git_repositories import git, new_repository, opened
from swarm_worker.workspace.clone import make_clone
from swarm_worker.workspace.source import SourceRepository

FILES, FILES_FULL = 5_000, 50_000
# Both are done in turn this often for one pair, since the disk's cache is never the same twice.
ROUNDS = 3


def findings(setting: Setting) -> Iterator[Finding]:
    """Measures both in turn, each with warm caches."""
    files, pairs = setting.of(FILES, FILES_FULL), Pairs()
    with folder() as where:
        root = new_repository(where / "project", {f"d{n % 100}/{n}.txt": f"{n}\n" * 20 for n in range(files)})
        source = asyncio.run(opened(root))
        for number in range(-1, setting.pairs):
            ours, theirs = _pair(source, where, f"p{number + 1}")
            if number >= 0:  # the first one warms the caches
                pairs.add(ours, theirs)
    yield Finding(
        "R16", f"a clone of {files:,} files ÷ git worktree add", pairs.ratios, at_most(1.2),
        beside=pairs.beside("s", "worktree s"),
    )  # fmt: skip


def _pair(source: SourceRepository, where: Path, name: str) -> tuple[float, float]:
    """Returns the shortest times of both: the rest is other programs."""
    ours, theirs = [], []
    for number in range(ROUNDS):
        begin = time.perf_counter()
        git(source.path, "worktree", "add", "--quiet", "--detach", str(where / f"{name}-t{number}"))
        middle = time.perf_counter()
        asyncio.run(_clone(source, where / f"{name}-c{number}"))
        theirs.append(middle - begin)
        ours.append(time.perf_counter() - middle)
    return min(ours), min(theirs)


async def _clone(source: SourceRepository, place: Path) -> None:
    # As for a claim: the tip is read first.
    await make_clone(source, place, await source.fetch())
