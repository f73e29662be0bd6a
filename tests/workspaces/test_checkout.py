"""The checkout of a user beside a run that lands work, and repositories of every kind, with real programs."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from support.git_repositories import commit_files, git, new_repository, tree_state, write_files
from support.programs import Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
# What is below these belongs to the swarm, or is an object, of which there only come more.
SWARMS_OWN: Final = (
    ".swarm/", "objects/", "refs/swarm/", "refs/heads/swarm/", "logs/refs/heads/swarm/", "logs/refs/swarm/",
)  # fmt: skip
OTHER_USER: Final = 12_345


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Stage]:
    """Provides a folder in which real programs run."""
    with stage(tmp_path) as found:
        yield found


def run(place: Stage, builder: str, *flags: str, tasks: int = 1) -> "subprocess.CompletedProcess[str]":
    """Runs tasks `t0`, `t1` … whose builder is a shell script; its environment has $PLACE."""
    script = place.folder / "build"
    script.write_text(f"#!/bin/sh\nset -e\nPLACE={place.folder}\n{builder}\n", encoding="utf-8")
    script.chmod(0o755)
    plan = {"tasks": [{"id": f"t{number}", "name": f"Task {number}"} for number in range(tasks)]}
    (place.folder / "plan.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    return place.ctl(
        "run", "plan.yaml", "--workers", "2", "--project-root", str(place.project), "--runner", "command",
        "--no-validation", "--builder-command", str(script), *flags, "-o", "json", check=False, server=False,
    )  # fmt: skip


def completed(done: "subprocess.CompletedProcess[str]") -> Any:
    """Returns the tasks of a run that completed them all."""
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)["tasks"]


def users_files(project: Path) -> dict[str, bytes]:
    """Returns all files of a project, its git folder included, but for the swarm's own."""
    return {
        name: content
        for name, content in tree_state(project).items()
        if not name.removeprefix(".git/").startswith(SWARMS_OWN)
    }


def test_a_run_leaves_the_users_checkout_as_it_was_byte_for_byte(place: Stage) -> None:
    project = new_repository(place.project, {"one": "one\n", "two": "two\n", ".gitignore": "*.log\n"})
    (project / "one").write_text("in the stash\n")
    git(project, "stash", "push", "-q")
    hooks = ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-index-change")
    for hook in hooks:
        path = project / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\necho {hook} >> {place.folder}/ran\n")
        path.chmod(0o755)
    write_files(project, {"two": "dirty\n", "three": "staged\n", "four": "untracked\n", "x.log": "ignored\n"})
    git(project, "-c", "core.hooksPath=/dev/null", "add", "three")
    (project / ".git" / "config").write_text(
        (project / ".git" / "config").read_text() + "[alias]\n\tst = status\n"
    )
    (place.folder / "ran").unlink(missing_ok=True)
    before = users_files(project)

    tasks = completed(
        run(place, 'echo new > "$SWARM_TASK_ID"; echo more >> one; git add one "$SWARM_TASK_ID"', tasks=1)
    )

    assert [task["status"] for task in tasks] == ["completed"]
    assert users_files(project) == before
    assert not (place.folder / "ran").exists(), (place.folder / "ran").read_text()
    assert git(project, "show", "swarm/main:one") == "one\nmore"
    assert git(project, "log", "--format=%s", "swarm/main") == "Task 0\nfirst"
    assert git(project, "stash", "list").startswith("stash@{0}: ")


def with_submodule(place: Stage) -> None:
    inner = new_repository(place.folder / "inner", {"inside": "1\n"})
    project = new_repository(place.project)
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    git(project, "commit", "-q", "-m", "a submodule")


def with_lfs(place: Stage) -> None:
    project = new_repository(place.project)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4d7a" * 16 + "\nsize 12345\n"
    commit_files(project, {".gitattributes": "*.bin filter=lfs diff=lfs -text\n", "large.bin": pointer})
    for verb in ("clean", "smudge", "process"):
        git(project, "config", f"filter.lfs.{verb}", f"sh -c 'echo {verb} >> {place.folder}/ran; exit 1'")
    git(project, "config", "filter.lfs.required", "true")


def with_sparse(place: Stage) -> None:
    project = new_repository(place.project, {"in/a": "a\n", "out/b": "b\n"})
    git(project, "sparse-checkout", "set", "in")
    assert not (project / "out").exists()


def with_shallow(place: Stage) -> None:
    origin = new_repository(place.folder / "origin")
    for number in range(3):
        commit_files(origin, {"one.txt": f"{number}\n"})
    git(place.folder, "clone", "-q", "--depth", "1", f"file://{origin}", str(place.project))


def with_odd_names(place: Stage) -> None:
    project = new_repository(place.project)
    for name in (b"new\nline", b"latin-\xe9", b"-x", b" spaced ", b'quo"te', b"tab\t"):
        Path(os.fsdecode(os.fsencode(project) + b"/" + name)).write_text("1\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "odd names")


def with_line_endings(place: Stage) -> None:
    project = new_repository(place.project)
    commit_files(project, {".gitattributes": "*.txt text eol=crlf\n*.lf text eol=lf\n"})
    commit_files(project, {"crlf.txt": "a\r\nb\r\n", "unix.lf": "a\nb\n", "stored": "a\r\nb\r\n"})
    git(project, "config", "core.autocrlf", "true")


def with_detached_head(place: Stage) -> None:
    git(new_repository(place.project), "checkout", "-q", "--detach")


WORKING: Final[dict[str, tuple[Callable[[Stage], None], tuple[str, ...]]]] = {
    "a submodule": (with_submodule, ()),
    "files of git-lfs": (with_lfs, ()),
    "a sparse checkout": (with_sparse, ()),
    "a shallow clone": (with_shallow, ()),
    "odd file names": (with_odd_names, ()),
    "line endings": (with_line_endings, ()),
    "a detached HEAD with a target": (with_detached_head, ("--target", "swarm/work")),
}


@pytest.mark.parametrize("kind", WORKING)
def test_work_lands_in_odd_repositories_and_nothing_else_changes(kind: str, place: Stage) -> None:
    make, flags = WORKING[kind]
    make(place)
    files = git(place.project, "ls-tree", "-r", "HEAD")
    before = users_files(place.project)
    builder = r"""echo made > made; printf '1\n' > "$(printf 'a\nb')"; printf '1\n' > "$(printf 'z\351')" """

    completed(run(place, builder, "--workspace", "clone", *flags))

    target = flags[1] if flags else "swarm/main"
    landed = git(place.project, "ls-tree", "-r", target).split("\n")
    added = {r'"a\nb"', r'"z\351"', "made"}
    assert {line.partition("\t")[2] for line in landed if line not in files.split("\n")} == added
    assert set(files.split("\n")) <= set(landed)
    assert git(place.project, "rev-list", "--count", f"HEAD..{target}") == "1"
    assert users_files(place.project) == before
    assert not (place.folder / "ran").exists()


def unborn(place: Stage) -> None:
    place.project.mkdir()
    git(place.project, "init", "-q")


def bare(place: Stage) -> None:
    git(
        place.folder,
        "clone",
        "-q",
        "--bare",
        str(new_repository(place.folder / "origin")),
        str(place.project),
    )


def part_of_a_tree(place: Stage) -> None:
    new_repository(place.folder / "whole", {"project/file": "1\n"})
    place.project.symlink_to(place.folder / "whole" / "project")


def foreign(place: Stage) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    new_repository(place.project)
    for path in (place.project, place.project / ".git"):
        os.chown(path, OTHER_USER, OTHER_USER)


REFUSED: Final[dict[str, tuple[Callable[[Stage], None], str]]] = {
    "no commit": (unborn, "has no commit yet"),
    "bare": (bare, "use it with --repo"),
    "a part of a work tree": (part_of_a_tree, "pass the top of that tree"),
    "a detached HEAD": (with_detached_head, "HEAD is detached, so no target follows from it; pass --target"),
    "a folder of another user": (foreign, "safe.directory"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_clones_can_t_be_made_from_is_refused_in_one_line(kind: str, place: Stage) -> None:
    make, reason = REFUSED[kind]
    make(place)

    done = run(place, "echo made > made", "--workspace", "clone")

    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if reason in line]
    assert len(lines) == 1, done.stderr


@pytest.mark.parametrize("kind", REFUSED)
def test_without_a_wish_such_folders_are_shared_and_that_is_said(kind: str, place: Stage) -> None:
    make, reason = REFUSED[kind]
    make(place)

    done = run(place, "echo made > made")

    completed(done)
    assert (place.project / "made").exists()
    logs = "".join(path.read_text() for path in place.folder.glob("state-home/**/logs/worker-*.log"))
    assert reason in logs, logs
