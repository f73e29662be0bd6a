"""The swarm's own refs in a source repository: the target, the pins, and the refs that keep attempts.

Invariant: only locks of these refs are ever removed, and only such as outlived every wait for them.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_worker.workspace.git_runner import GitCommands, GitFailure, failure_reason
from swarm_worker.workspace.git_safety import LOCK_WAIT_S

FETCH: Final = (
    *("fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
    *("--no-auto-maintenance", "--no-write-commit-graph", "--upload-pack", "git-upload-pack"),
)


@dataclass(frozen=True, slots=True)
class SourceRefs:
    """The refs of a repository; `folder` is its git folder."""

    git: GitCommands
    folder: Path

    async def write(self, ref: str, commit: str, *old: str) -> None:
        """Sets a ref, with `old` only if it is at that commit, or absent if empty. Raises GitFailure."""
        await self.clear(ref)
        try:
            await self.git.run("update-ref", "--no-deref", ref, commit, *old)
        except GitFailure:
            if not await self.clear(ref):
                raise
            await self.git.run("update-ref", "--no-deref", ref, commit, *old)

    async def delete(self, *refs: str) -> None:
        """Deletes refs; absent ones are no error. Raises GitFailure."""
        await self.clear(*refs)
        commands = "".join(f"delete {ref}\n" for ref in refs)
        await self.git.run("update-ref", "--no-deref", "--stdin", stdin=commands.encode())

    async def advance(self, folder: Path, commit: str, ref: str, *, force: bool = False) -> bool:
        """Fetches a commit from another git folder into a ref.

        Returns False if the ref holds a commit that is not an ancestor, which stays; `force` replaces it. Raises
        GitFailure.
        """
        await self.clear(ref)
        # The longest prefix wins, so no setting of the repository can turn the path into another URL.
        path = {"GIT_CONFIG_KEY_0": f"url.{folder}.insteadOf", "GIT_CONFIG_VALUE_0": str(folder)}
        git = self.git.with_env(**path, GIT_CONFIG_COUNT="1")
        fetch = (*FETCH, "--", str(folder), f"{'+' if force else ''}{commit}:{ref}")
        end = await git.run(*fetch, accepted=(0, 1))
        if end.code and await self.clear(ref):
            end = await git.run(*fetch, accepted=(0, 1))
        if end.code == 0:
            return True
        if await self.git.text("for-each-ref", "--format=%(objectname)", ref) in {"", commit}:
            raise GitFailure(f"git fetch into {ref} failed: {failure_reason(end.stderr)}")
        return False

    async def clear(self, *refs: str) -> bool:
        """Removes locks that a killed git left on the refs; returns whether there were any.

        A live git holds the lock of one ref for milliseconds, and every git waits LOCK_WAIT_S for it.
        """
        return await asyncio.to_thread(self._remove_stale_locks, refs)

    def _remove_stale_locks(self, refs: tuple[str, ...]) -> bool:
        removed = False
        for ref in refs:
            lock = self.folder / f"{ref}.lock"
            try:
                if time.time() - lock.lstat().st_mtime < LOCK_WAIT_S:
                    continue
            except (FileNotFoundError, NotADirectoryError):
                continue
            lock.unlink(missing_ok=True)
            removed = True
        return removed
