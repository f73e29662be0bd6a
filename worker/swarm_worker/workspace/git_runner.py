"""The way in which the library for clones and landings starts git, and the errors of git as one line."""

import asyncio
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from swarm_worker.workspace.git_safety import SAFE_CONFIG
from swarm_worker.workspace.git_script import explain

LOCAL_TIMEOUT_S: Final = 120.0
NETWORK_TIMEOUT_S: Final = 600.0
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]*@")


class GitOutput(NamedTuple):
    """The end of a git: its exit code, negative if a signal or the deadline ended it, and its output."""

    code: int
    stdout: bytes
    stderr: str


class GitRunner(Protocol):
    """A way to run git, in production under a guard."""

    async def __call__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> GitOutput:
        """Runs git with the arguments, which are without the word git, until it and all that it started have ended.

        `env` is the whole environment; None means that of the worker.
        """


class GitFailure(Exception):
    """A git that failed; the text is one line that says what is wrong."""


class UnguardedGit:
    """A GitRunner by a plain process, for programs without guards and without sessions."""

    async def __call__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> GitOutput:
        try:
            process = await asyncio.create_subprocess_exec(
                "git", *arguments, cwd=cwd, env=env,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise GitFailure(f"can't start git: {error}") from error
        try:
            async with asyncio.timeout(timeout_s):
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError:
            process.kill()
            await process.wait()
            return GitOutput(-1, b"", "")
        return GitOutput(process.returncode or 0, stdout, stderr.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class GitCommands:
    """The git commands of one repository, with the safe settings."""

    runner: GitRunner
    cwd: Path
    env: Mapping[str, str]
    timeout_s: float = LOCAL_TIMEOUT_S

    async def run(self, *arguments: str, stdin: bytes = b"", accepted: Collection[int] = (0,)) -> GitOutput:
        """Runs one command.

        Raises:
            GitFailure: its exit code is not accepted, or it did not end by itself.
        """
        output = await self.runner(
            ("--no-pager", *SAFE_CONFIG, *arguments),
            cwd=self.cwd,
            timeout_s=self.timeout_s,
            stdin=stdin,
            env=self.env,
        )
        if output.code not in accepted:
            raise GitFailure(self._reason(arguments, output))
        return output

    async def text(self, *arguments: str, stdin: bytes = b"") -> str:
        """Returns the standard output without its last newline. Raises GitFailure as `run` does."""
        return os.fsdecode((await self.run(*arguments, stdin=stdin)).stdout.removesuffix(b"\n"))

    async def succeeds(self, *arguments: str) -> bool:
        """Returns whether the command exits with 0. Raises GitFailure for exit codes above 1."""
        return (await self.run(*arguments, accepted=(0, 1))).code == 0

    def with_env(self, **more: str) -> "GitCommands":
        """Returns the same commands with more variables."""
        return replace(self, env={**self.env, **more})

    def _reason(self, arguments: Sequence[str], output: GitOutput) -> str:
        command = next((word for word in arguments if not word.startswith("-")), "")
        if output.code < 0:
            why = failure_reason(output.stderr) if output.stderr else "did not end by itself"
            why = f"was ended within its {self.timeout_s:g} s: {why}"
        else:
            why = f"failed: {failure_reason(output.stderr)}"
        return f"git {command} {why}"


def failure_reason(stderr: str) -> str:
    """Returns git's first error in one line, without the name and password of a URL."""
    return _CREDENTIALS.sub("", explain(stderr))
