"""A user's own checkout: its uncommitted files; and if the target is checked out there, it follows while it is clean.

Invariant: no filter runs, since the repository's settings name its program.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from swarm_worker.workspace.git_runner import GitCommands, GitRunner
from swarm_worker.workspace.git_safety import current_environment
from swarm_worker.workspace.source_facts import SourceFacts


@dataclass(frozen=True, slots=True)
class UserCheckout:
    """A work tree of the user's."""

    path: Path
    target: str
    runner: GitRunner
    facts: SourceFacts

    @property
    def git(self) -> GitCommands:
        """The git of the checkout, with the filters of its settings switched off."""
        env = {**current_environment(), **self.facts.without_filters}
        return GitCommands(self.runner, self.path, env)

    async def uncommitted(self, *, untracked: bool) -> tuple[str, ...]:
        """Returns the files that are not committed. Raises GitFailure."""
        kind = "normal" if untracked else "no"
        status = ("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=dirty")
        listed = (await self.git.run(*status, f"--untracked-files={kind}")).stdout
        return tuple(entry[3:].decode(errors="replace") for entry in listed.split(b"\0")[:-1])

    async def obstacle(self, changed: bytes) -> str:
        """Returns why the checkout can't follow, with what to do; empty if it can.

        `changed` holds the paths that a landing changes, each with a NUL at its end. Raises GitFailure.
        """
        if await self.uncommitted(untracked=False):
            return f"{self.path} has uncommitted changes on {self.target}: commit or stash them"
        if not self.facts.filters:
            return ""
        found = await self.git.run("check-attr", "--stdin", "-z", "filter", stdin=changed)
        used = {os.fsdecode(value) for value in found.stdout.split(b"\0")[2::3]} & self.facts.filters
        if not used:
            return ""
        why = f"files of {self.path} need the filter {min(used)}, which workers do not run"
        return f"{why}: pass a --target that is not checked out"

    async def advance(self, new: str) -> None:
        """Moves branch, index and files forward, or changes nothing. Raises GitFailure."""
        await self.git.run(
            "merge", "--quiet", "--ff-only", "--no-autostash", "--no-verify-signatures", "--no-stat", new
        )
