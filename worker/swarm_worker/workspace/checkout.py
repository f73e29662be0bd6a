"""The checkout of a user in which the target itself is checked out: it follows a landing while it is clean."""

import os
from dataclasses import dataclass
from pathlib import Path

from swarm_worker.workspace.git_runner import GitCommands, GitRunner
from swarm_worker.workspace.git_safety import current_environment
from swarm_worker.workspace.source_facts import SourceFacts


@dataclass(frozen=True, slots=True)
class UserCheckout:
    """A work tree of the user's on the target branch."""

    path: Path
    target: str
    runner: GitRunner
    facts: SourceFacts

    @property
    def git(self) -> GitCommands:
        """The git of the checkout, with the filters of its settings switched off."""
        env = {**current_environment(), **self.facts.without_filters}
        return GitCommands(self.runner, self.path, env)

    async def obstacle(self, changed: bytes) -> str:
        """Returns why the checkout can't follow, with what to do; empty if it can.

        `changed` holds the paths that a landing changes, each with a NUL at its end. Raises GitFailure.
        """
        status = ("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=dirty")
        if (await self.git.run(*status)).stdout:
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
