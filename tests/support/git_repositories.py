"""Real git repositories for tests of clones and landings, and the way to run git in them without a guard."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swarm_worker.workspace.clone import Clone, make_clone
from swarm_worker.workspace.git_runner import GitOutput, UnguardedGit
from swarm_worker.workspace.source import SourceRepository

IDENTITY = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")
# How a session commits: it has no settings of a user.
COMMIT = f"git {' '.join(IDENTITY)} commit -q"


@dataclass
class PlainGit(UnguardedGit):
    """A GitRunner by plain processes, which keeps the commands that it ran."""

    commands: list[Sequence[str]] = field(default_factory=list)

    async def __call__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> GitOutput:
        self.commands.append(arguments)
        return await super().__call__(arguments, cwd=cwd, timeout_s=timeout_s, stdin=stdin, env=env)


def git(root: Path, *arguments: str) -> str:
    """Runs git as a user would, and returns its output without the last newline."""
    done = subprocess.run(
        ("git", *IDENTITY, *arguments),
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.removesuffix("\n")


def head(root: Path) -> str:
    """Returns the commit that is checked out."""
    return git(root, "rev-parse", "HEAD")


def log(root: Path, ref: str, pattern: str = "%s", *more: str) -> list[str]:
    """Returns one line a commit of the ref, the newest first; `more` are further arguments of `git log`."""
    return git(root, "log", f"--format={pattern}", ref, *more).split("\n")


def show(root: Path, ref: str, path: str) -> str:
    """Returns the content of a file at a ref."""
    return git(root, "show", f"{ref}:{path}")


def commit_files(root: Path, files: Mapping[str, str | bytes | None], message: str = "work") -> str:
    """Writes or removes files, commits everything and returns the commit."""
    write_files(root, files)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return head(root)


def write_files(root: Path, files: Mapping[str, str | bytes | None]) -> None:
    """Writes files below a folder; None removes one."""
    for name, content in files.items():
        path = root / name
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def new_repository(root: Path, files: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Makes a repository with one commit on the branch main, in a folder that may be there."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    commit_files(root, files if files is not None else {"one.txt": "one\n", "two.txt": "two\n"}, "first")
    return root


async def opened(root: Path, target: str = "", runner: PlainGit | None = None) -> SourceRepository:
    """Returns a source that is ready for clones, with its target."""
    source = SourceRepository(root, target, runner or PlainGit())
    inspection = await source.inspect()
    assert inspection.usable, inspection.reason
    await source.ensure_target()
    return source


def tree_state(root: Path) -> dict[str, bytes]:
    """Returns every file of a folder with its content and its time, links by their targets."""
    found = {}
    for where, _, names in os.walk(root):
        for name in names:
            path = Path(where, name)
            stat = path.lstat()
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(root))] = b"%d %d " % (stat.st_mtime_ns, stat.st_mode) + content
    return found


def program_settings(marker: Path) -> dict[str, str]:
    """Returns settings of a repository that name programs, each of which leaves the marker if git obeys it."""
    script = marker.with_name("hostile.sh")
    script.write_text(f'#!/bin/sh\necho "$0 $@" >> {marker}\ncat\n')
    script.chmod(0o755)
    hooks = marker.with_name("hostile-hooks")
    hooks.mkdir(exist_ok=True)
    for hook in ("reference-transaction", "post-checkout", "post-index-change", "post-merge", "pre-push"):
        (hooks / hook).write_text(script.read_text())
        (hooks / hook).chmod(0o755)
    included = marker.with_name("included.cfg")
    included.write_text(f"[core]\n\tfsmonitor = {script}\n\tpager = {script}\n")
    program = str(script)
    names = (
        *("core.fsmonitor", "core.sshCommand", "core.editor", "core.pager", "core.askPass", "core.gitProxy"),
        *("core.alternateRefsCommand", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process"),
        *("diff.external", "diff.evil.command", "diff.evil.textconv", "merge.evil.driver", "gpg.program"),
        *("uploadpack.packObjectsHook", "credential.helper", "sequence.editor", "interactive.diffFilter"),
        *("trailer.Swarm-Task.command", "remote.origin.uploadpack", "remote.origin.receivepack"),
    )
    return {
        **dict.fromkeys(names, program),
        "core.hooksPath": str(hooks),
        "include.path": str(included),
        "commit.gpgSign": "true",
        "log.showSignature": "true",
        "filter.evil.required": "true",
        "url.ext::sh -c touch%20evil.insteadOf": "/",
        "protocol.ext.allow": "always",
    }


def make_hostile(root: Path, marker: Path) -> None:
    """Writes the settings that name programs into a repository, and files that use them."""
    config = root / ".git" / "config"
    for name, value in program_settings(marker).items():
        git(root, "config", "--file", str(config), name, value)
    (root / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil merge=evil\n")


async def new_clone(tmp_path: Path, files: Mapping[str, str | bytes | None] | None = None) -> Clone:
    """Makes a repository and a clone of it."""
    source = await opened(new_repository(tmp_path / "project", files))
    return (await make_clone(source, tmp_path / "w" / "t1-1", await source.fetch())).clone
