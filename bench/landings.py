"""R18: the time of a landing without conflict, each git under its guard, beside a fast-forward and the same
check.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from measure import Finding, Pairs, Setting, at_most
from programs import folder

from support.git_repositories import git, new_repository, write_files
from swarm_worker.domain.changes import Landing
from swarm_worker.domain.model import (
    Assignment,
    CheckResult,
    Outcome,
    OutcomeKind,
    Task,
)
from swarm_worker.domain.ports import LandingRight, Notes
from swarm_worker.domain.types import LeaseId
from swarm_worker.execution.checks import ChecksResult
from swarm_worker.execution.guarded_git import GuardedGit
from swarm_worker.execution.landing import LandingRun
from swarm_worker.supervision.fence import OpenFence
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor
from swarm_worker.workspace.clone import Clone, make_clone
from swarm_worker.workspace.git_runner import GitOutput
from swarm_worker.workspace.landing import LandingMessage
from swarm_worker.workspace.snapshot import WorkSnapshot, snapshot
from swarm_worker.workspace.source import SourceRepository

FILES, FILES_FULL = 5_000, 50_000
# Reads every file once, as the fastest of real checks do.
CHECK = ("grep", "--count", "--max-depth=-1", "0")
OPEN_FENCE = OpenFence(ProcessSupervisor(instance=uuid.uuid4().hex))


@dataclass
class CountingGit:
    """Git under guards; counts its starts."""

    guarded: GuardedGit
    starts: int = 0

    async def __call__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> GitOutput:
        self.starts += 1
        return await self.guarded(arguments, cwd=cwd, timeout_s=timeout_s, stdin=stdin, env=env)


class FreeTarget:
    """A server that grants the right to land at once."""

    async def request_landing(self, lease_id: LeaseId) -> LandingRight:
        return LandingRight(granted=True)


@dataclass
class Quiet:
    """A log that keeps its lines."""

    lines: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Figures:
    """The figures of all landings."""

    pairs: Pairs = field(default_factory=Pairs)
    starts: list[float] = field(default_factory=list)


def findings(setting: Setting) -> Iterator[Finding]:
    """Lands work beside work that others have landed meanwhile."""
    files = setting.of(FILES, FILES_FULL)
    with folder() as where:
        root = new_repository(where / "project", {f"d{n % 100}/{n}.txt": f"{n}\n" * 20 for n in range(files)})
        found = asyncio.run(_measured(root, where, setting.pairs))
    yield Finding(
        "R18", f"a landing in {files:,} files ÷ merge --ff-only and the check", found.pairs.ratios, at_most(3),
        beside=found.pairs.beside("s", "merge and check s"),
    )  # fmt: skip
    yield Finding("R18", "starts of git for a landing, the check left out", found.starts, at_most(10))


async def _measured(root: Path, where: Path, pairs: int) -> Figures:
    found, numbers = Figures(), count(1)
    locks = where / "locks"
    locks.mkdir()
    runner = CountingGit(
        GuardedGit(OPEN_FENCE, Stop(grace_s=0.0), lambda: locks / f"{next(numbers)}.lock", {})
    )
    source = SourceRepository(root, "", runner)
    assert (await source.inspect()).usable
    await source.ensure_target()
    user = where / "user"
    git(where, "clone", "-q", "-b", source.target, str(root), str(user))
    for number in range(-1, pairs):
        theirs = await _work(source, where, f"theirs-{number}")
        ours = await _work(source, where, f"ours-{number}")
        # Their landing moves the tip after our clone was made, so ours is a merge.
        await _land(source, *theirs, f"theirs-{number}")
        git(user, "pull", "-q", "--ff-only")
        runner.starts, began_s = 0, time.perf_counter()
        commit = await _land(source, *ours, f"ours-{number}")
        landing_s, starts = time.perf_counter() - began_s, runner.starts - 1
        git(user, "fetch", "-q")
        began_s = time.perf_counter()
        git(user, "merge", "-q", "--ff-only", commit)
        git(user, *CHECK)
        if number >= 0:  # the first one warms the caches
            found.pairs.add(landing_s, time.perf_counter() - began_s)
            found.starts.append(starts)
    return found


async def _work(source: SourceRepository, where: Path, name: str) -> tuple[Clone, WorkSnapshot]:
    clone = (await make_clone(source, where / "clones" / name, await source.fetch())).clone
    write_files(clone.work, {f"{name}.txt": f"{name}\n"})
    return clone, await snapshot(clone, name, _trailers(name))


async def _land(source: SourceRepository, clone: Clone, work: WorkSnapshot, name: str) -> str:
    task = Task(name, "{}", name, landing_checks=("read every file",))
    assignment = Assignment(task, LeaseId("lease"), 1, 1)
    message, stop = LandingMessage(name, _trailers(name)), Stop(grace_s=0.0)
    run = LandingRun(source, FreeTarget(), assignment, "swarm-1", stop, OPEN_FENCE, message)

    async def check(commands: tuple[str, ...], log: Notes, *, since_s: float) -> ChecksResult:
        end = await clone.session_git.runner(CHECK, cwd=clone.work, timeout_s=60)
        return ChecksResult((CheckResult(commands[0], end.code, "", 0.0),))

    outcome = await run.land(clone, work, Outcome(OutcomeKind.COMPLETED), Quiet(), check)
    assert isinstance(outcome.landing, Landing), outcome
    return outcome.landing.commit


def _trailers(name: str) -> dict[str, str]:
    return {"Swarm-Task": name, "Swarm-Attempt": "1", "Swarm-Session": f"{name}-s", "Swarm-Id": "swarm-1"}
