"""`swarmctl diff`: the files and the patch of an attempt, in each form."""

from pathlib import Path

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Change, ChangedFile
from support.git_repositories import git, new_repository
from support.operator import FakeOperator
from unit.client.conftest import Ctl, in_every_form

BASE, HEAD, REF = "a" * 40, "b" * 40, "refs/swarm/t/2"
FILES = [
    ChangedFile(path="a.txt", status="M", added=1, removed=1),
    ChangedFile(path="logo.png", status="A"),
]


def answer(operator: FakeOperator, *, patch: str, ref: str = REF, file_count: int = 2) -> None:
    change = Change(base=BASE, head=HEAD, ref=ref, files=FILES, file_count=file_count, patch=patch)
    operator.answers["DiffTask"] = wire.DiffTaskResponse(attempt=2, change=change)


def test_the_files_and_the_patch_are_shown(ctl: Ctl, operator: FakeOperator) -> None:
    answer(operator, patch="@@ -1 +1 @@\n-one\n+two \x1b[31m\n", file_count=7)

    document, shown = in_every_form(ctl, "diff", "t", "--attempt", "2")

    assert operator.asked("DiffTask")[0] == wire.DiffTaskRequest(task_id="t", attempt=2)
    assert document["files"][1] == {"path": "logo.png", "status": "A", "added": None, "removed": None}
    assert (document["attempt"], document["ref"], document["patch"][:2]) == (2, REF, "@@")
    for text in ("Attempt 2: 7 files, +1 −1", "and 5 more files", "-one"):
        assert text in shown
    assert "\x1b" not in shown


def test_stat_shows_the_files_alone(ctl: Ctl, operator: FakeOperator) -> None:
    answer(operator, patch="+two\n")

    result = ctl("diff", "t", "--stat")

    assert "a.txt" in result.out
    assert "+two" not in result.out


def test_the_patch_alone_is_what_git_applies(ctl: Ctl, operator: FakeOperator, tmp_path: Path) -> None:
    new_repository(tmp_path, {"a.txt": "one\n"})
    (tmp_path / "a.txt").write_bytes(b"tw\xc3\xb6\n")
    patch = git(tmp_path, "diff") + "\n"
    git(tmp_path, "checkout", "-q", "a.txt")
    answer(operator, patch=patch)

    result = ctl("diff", "t", "--patch")

    assert result.out == patch
    (tmp_path / "work.patch").write_text(result.out, newline="")
    git(tmp_path, "apply", "work.patch")
    assert (tmp_path / "a.txt").read_bytes() == b"tw\xc3\xb6\n"


def test_a_patch_that_was_too_long_names_the_command_that_shows_it(ctl: Ctl, operator: FakeOperator) -> None:
    answer(operator, patch="", ref="refs/swarm/$(reboot)/1")

    shown = ctl("diff", "t")
    refused = ctl("diff", "t", "--patch")

    assert f"In the repository: git diff {BASE} {HEAD}\n" in shown.out
    assert (refused.code, refused.out) == (1, "")
    assert f"git diff {BASE} {HEAD}" in refused.err


def test_stat_and_patch_exclude_each_other(ctl: Ctl, operator: FakeOperator) -> None:
    refused = ctl("diff", "t", "--stat", "--patch")

    assert refused.code == 2
    assert refused.err == "swarmctl: --stat and --patch exclude each other; pass one of them\n"
    assert operator.requests == []
