"""Git repositories for tests."""

import subprocess
from pathlib import Path
from typing import Final

_WHO: Final = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")


def git(folder: Path, *arguments: str) -> str:
    """Runs git in the folder; returns its output without the last newline."""
    done = subprocess.run(
        ("git", *_WHO, *arguments), cwd=folder, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"git {arguments} failed: {done.stderr}"
    return done.stdout.removesuffix("\n")


def make_repository(folder: Path, files: dict[str, str] | None = None) -> str:
    """Makes a repository with one commit on `main`; returns the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for name, text in (files or {"README": "start\n"}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return git(folder, "rev-parse", "HEAD")


def log(folder: Path, ref: str, pattern: str = "%s", *more: str) -> list[str]:
    """Returns one line a commit of the ref, the newest first; `more` are further arguments of `git log`."""
    return git(folder, "log", f"--format={pattern}", ref, *more).split("\n")


def show(folder: Path, ref: str, path: str) -> str:
    """Returns the content of a file at a ref."""
    return git(folder, "show", f"{ref}:{path}")
