"""A remote repository as the source of clones: a bare mirror in the worker's state folder, and pushes to the remote.

Invariant: credentials are git's own. The worker neither asks for them nor stores them.
"""

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import Final

from swarm_worker.workspace.folder_lock import FolderLock
from swarm_worker.workspace.git_folder import GitFolder, write_git_folder
from swarm_worker.workspace.git_locks import remove_locks
from swarm_worker.workspace.git_runner import (
    NETWORK_TIMEOUT_S,
    GitCommands,
    GitFailure,
    GitOutput,
    GitRunner,
    failure_reason,
)
from swarm_worker.workspace.git_safety import current_environment, network_environment
from swarm_worker.workspace.inspection import Inspection, choose_target, too_old_git
from swarm_worker.workspace.source import (
    Kept,
    Publication,
    PublishResult,
    SourceRepository,
    TargetState,
    attempt_refs,
)
from swarm_worker.workspace.source_refs import FETCH

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://")
_KNOWN_SCHEMES: Final = frozenset({"https", "http", "ssh", "git", "file"})
_PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@")
_SCP_LIKE: Final = re.compile(r"[^/:]+:(?!:)")
_PUSH: Final = (
    *("push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"),
    *("--receive-pack", "git-receive-pack"),
)
# Where attempts of other machines are fetched to; below refs/swarm they could replace what is only here.
_OTHER_ATTEMPTS: Final = "refs/swarm-remote/"


def mirror_folder(state: Path, url: str) -> Path:
    """Returns the place of a URL's mirror below the worker's state folder."""
    return state / "mirrors" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"


def open_source(
    project_root: Path, state: Path, *, repo: str, target: str, runner: GitRunner
) -> SourceRepository:
    """Returns the repository of a worker's clones: the project, or the mirror of `repo` if that is not empty."""
    if repo:
        return MirrorRepository(mirror_folder(state, repo), target, runner, repo)
    return SourceRepository(project_root, target, runner)


def url_fault(url: str) -> str:
    """Returns why a URL can't be a source, with what to do; empty if it can."""
    if not url or url.startswith("-") or "\n" in url or "\0" in url:
        return f"--repo {url!r} is not a URL or a path; pass https://…, ssh://…, git@host:path or a folder"
    if _PASSWORD.search(url):
        return "--repo contains a password, which others could read; leave it out and use a credential helper of git"
    scheme = _SCHEME.match(url)
    if (scheme and scheme[1] not in _KNOWN_SCHEMES) or re.match(r"[A-Za-z0-9]+::", url):
        return f"--repo {url} uses a transport that is a program of its own; use https, ssh, git or file"
    return ""


class MirrorRepository(SourceRepository):
    """A remote repository; `path` is the folder of its mirror."""

    def __init__(self, path: Path, target: str, runner: GitRunner, url: str) -> None:
        super().__init__(path, target, runner)
        self.url = url
        self.git = GitCommands(runner, path, {**current_environment("file"), "GIT_DIR": str(path)})
        self._head_branch = ""
        # The workers of one state folder share the mirror: two fetches at once fail by each other's change of a ref.
        self.lock = FolderLock(path.with_suffix(".lock"))

    @property
    def network(self) -> GitCommands:
        """The git that reaches the remote, with the user's own credentials."""
        env = {**network_environment(os.environ, _protocols(self.url)), "GIT_DIR": str(self.path)}
        return GitCommands(self.runner, self.path, env, NETWORK_TIMEOUT_S)

    async def inspect(self) -> Inspection:
        """Returns whether the remote can be reached and has a commit; makes the mirror, and sets `target`."""
        if fault := url_fault(self.url):
            return Inspection(False, fault)
        await asyncio.to_thread(self.path.parent.mkdir, parents=True, exist_ok=True)
        # No repository yet, so neither its folder nor its settings.
        outside = GitCommands(
            self.runner,
            self.path.parent,
            network_environment(os.environ, _protocols(self.url)),
            NETWORK_TIMEOUT_S,
        )
        try:
            if reason := await too_old_git(outside):
                return Inspection(False, reason)
            listed = await outside.text("ls-remote", "--symref", "--", self.url, "HEAD")
            head, self._head_branch = _parse_head(listed)
            if not head:
                return Inspection(False, f"{self.url} has no commit yet, or no branch that it calls its HEAD")
            async with self.lock:
                await asyncio.to_thread(self._write_mirror, "sha256" if len(head) == 64 else "sha1")
            self.target = choose_target(self.target, self._head_branch)
        except (GitFailure, ValueError) as error:
            return Inspection(False, f"{self.url}: {error}")
        return Inspection(True, head=head, branch=self._head_branch)

    def _write_mirror(self, object_format: str) -> None:
        if self.path.exists():
            # At the start of a worker no git of its own runs here, and those of others hold our lock.
            remove_locks(self.path)
            return
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        write_git_folder(new, GitFolder(object_format, bare=True, settings={}, branch="unused"))
        new.replace(self.path)

    async def ensure_target(self) -> str:
        """Creates the target at the commit of the remote's HEAD, or moves it forward to that; returns its tip.

        Raises GitFailure.
        """
        async with self.lock:
            await self._fetch_heads()
            head = await self.git.text("rev-parse", "--verify", f"refs/heads/{self._head_branch}^{{commit}}")
            return await self._advance_target(head, await self.target_state())

    async def _move_target(self, head: str, state: TargetState) -> None:
        pushed = await self._push(self.network, f"{head}:{self.target_ref}", lease=state.tip)
        await self._fetch_heads()
        if pushed.code and (await self.target_state()).tip in {"", state.tip}:
            raise GitFailure(f"{self.url} refuses the branch {self.target}: {_refusal(pushed)}")

    async def fetch(self, needs: str = "") -> str:
        """Returns the remote's tip of the target, whose history contains the commit `needs`.

        Raises:
            MissingCommit: the target has no such commit.
            GitFailure: the remote can't be reached.
        """
        async with self.lock:
            await self._fetch_heads()
        return await super().fetch(needs)

    async def _fetch_heads(self) -> None:
        await self.network.run(*FETCH, "--prune", "--", self.url, "+refs/heads/*:refs/heads/*")

    async def obtain(self, commit: str, ref: str) -> bool:
        """Returns whether a commit of an earlier attempt is at hand, perhaps from the remote. Raises GitFailure."""
        if await self.has_commit(commit):
            return True
        names = f"+{ref.rpartition('/')[0]}/*:{_OTHER_ATTEMPTS}{ref.rpartition('/')[0].removeprefix('refs/swarm/')}/*"
        async with self.lock:
            await self.network.run(*FETCH, "--", self.url, names)
        return await self.has_commit(commit)

    async def keep(self, objects_from: Path, commit: str, ref: str) -> Kept:
        """Brings a commit into the mirror and onto the remote, under `ref` or a further one.

        A remote that can't be reached or refuses such refs costs a remark. Raises GitFailure if the mirror fails.
        """
        local = await super().keep(objects_from, commit, ref)
        pushed = GitOutput(0, b"", "")
        for name in attempt_refs(ref):
            pushed = await self._push(self.network, f"{commit}:{name}")
            if not pushed.code:
                return Kept(name)
            if b"non-fast-forward" not in pushed.stdout and b"fetch first" not in pushed.stdout:
                break
        return Kept(
            local.ref, f"the remote did not take {ref}, which is kept in {self.path}: {_refusal(pushed)}"
        )

    async def publish(self, objects_from: Path, old: str, new: str) -> Publication:
        """Moves the remote's target from `old` to `new`, or not at all.

        Raises:
            GitFailure: the remote can't be reached, so whether the target moved is not known.
        """
        async with self.lock:
            git = self.network.with_env(GIT_DIR=str(objects_from))
            pushed = await self._push(git, f"{new}:{self.target_ref}", lease=old)
            if not pushed.code:
                return Publication(PublishResult.DONE)
            # A connection that broke after the push looks like a failure, so the remote is asked.
            listed = await self.network.text("ls-remote", "--", self.url, self.target_ref)
        tip = listed.partition("\t")[0]
        if tip == new:
            return Publication(PublishResult.DONE)
        if tip != old:
            return Publication(PublishResult.MOVED)
        if b"rejected]" in pushed.stdout:
            return Publication(PublishResult.BLOCKED, f"{self.url} refuses the landing: {_refusal(pushed)}")
        raise GitFailure(f"{self.url} can't be reached: {_refusal(pushed)}")

    async def _push(self, git: GitCommands, refspec: str, lease: str | None = None) -> GitOutput:
        """Pushes one ref; with a lease only if the remote's ref is at that commit, or absent for an empty one."""
        target = refspec.partition(":")[2]
        swap = () if lease is None else (f"--force-with-lease={target}:{lease}",)
        return await git.run(*_PUSH, *swap, "--", self.url, refspec, accepted=(0, 1, 128))


def _protocols(url: str) -> str:
    """Returns the transports that a URL may use; the user's own settings may rewrite it from https to ssh."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "http:https:ssh" if _SCP_LIKE.match(url) else "file"
    return "file" if scheme[1] == "file" else f"http:https:ssh:{scheme[1]}"


def _parse_head(listed: str) -> tuple[str, str]:
    """Parses the answer of `ls-remote --symref URL HEAD`: the commit and the branch, empty if absent."""
    commit = branch = ""
    for line in listed.split("\n"):
        first, _, name = line.partition("\t")
        if name != "HEAD":
            continue
        if first.startswith("ref: refs/heads/"):
            branch = first.removeprefix("ref: refs/heads/")
        else:
            commit = first
    return commit, branch


def _refusal(pushed: GitOutput) -> str:
    """Returns why a push failed: the remote's own words if it has any."""
    remote = [
        line.removeprefix("remote:").strip()
        for line in pushed.stderr.splitlines()
        if line.startswith("remote:")
    ]
    rejected = [
        line.split("\t")[-1] for line in os.fsdecode(pushed.stdout).splitlines() if line.startswith("!")
    ]
    return "; ".join([*rejected, *remote][:5]) or failure_reason(pushed.stderr)
