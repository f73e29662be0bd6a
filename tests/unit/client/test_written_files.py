"""The files and the output that commands write: whole, replaced only where that is meant, in any encoding."""

import io
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from amplifier_swarm.v1.task_pb2 import Task
from support.operator import FakeOperator
from swarmctl import main
from unit.client.conftest import Ctl

SQLITE = b"SQLite format 3\0".ljust(100, b"\0")
BACKUP = SQLITE[:68] + b"SWRM" + SQLITE[72:]
NAME = "naïve 🚀 日本 \u2028"


@pytest.fixture(autouse=True)
def _answers(operator: FakeOperator) -> None:
    task = PlannedTask()
    task.definition.task_id, task.definition.name = "a", NAME
    operator.answers |= {
        "ExportTasks": [wire.ExportTasksResponse(tasks=[task])],
        "Backup": [wire.BackupResponse(chunk=b"the database")],
        "ListTasks": wire.ListTasksResponse(tasks=[Task(task_id="a", name=NAME)], total=1),
    }


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("command", ["export", "backup"])
@pytest.mark.parametrize("make", [make_fifo, make_socket, make_link_to_a_device])
def test_what_is_not_a_regular_file_is_not_replaced(
    ctl: Ctl, tmp_path: Path, command: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "x")
    before = (tmp_path / "x").lstat()

    result = ctl(command, "x")

    assert (result.code, result.err) == (
        2, "swarmctl: x is not a regular file, and would be replaced by one; pass another path\n",
    )  # fmt: skip
    assert (tmp_path / "x").lstat().st_ino == before.st_ino
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("command", ["export", "backup"])
def test_a_directory_and_a_loop_of_links_are_one_line(ctl: Ctl, tmp_path: Path, command: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")

    assert ctl(command, "folder").err == "swarmctl: folder is a directory; pass the path of a file\n"
    assert ctl(command, "loop").err == "swarmctl: loop: Too many levels of symbolic links\n"


IN_USE = "is the database of a swarm, or has files of one beside it"
REFUSED: dict[str, tuple[str, dict[str, bytes], str]] = {
    "live database": ("s.db", {"s.db": BACKUP, "s.db-wal": b"w"}, IN_USE),
    "open database": ("s.db", {"s.db": BACKUP, "s.db-shm": b"w"}, IN_USE),
    "name of a lost database": ("s.db", {"s.db-wal": b"w"}, IN_USE),
    "database at rest": ("s.db", {"s.db": BACKUP, "s.db.lock": b"1", "EPOCH": b"1"}, IN_USE),
    "WAL": ("s.db-wal", {"s.db": BACKUP, "s.db-wal": b"w"}, "belongs to the database beside it"),
    "lock": ("s.db.lock", {"s.db": BACKUP, "s.db.lock": b"1"}, "belongs to the database beside it"),
    "epoch": ("EPOCH", {"EPOCH": b"1"}, "belongs to the database beside it"),
    "token": ("token", {"token": b"swt1_operator_1_2\n"}, "contains a token"),
}


@pytest.mark.parametrize("command", ["export", "backup"])
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("link", [False, True])
def test_the_files_of_a_swarm_are_not_replaced(
    ctl: Ctl, tmp_path: Path, command: str, case: str, *, link: bool
) -> None:
    name, files, why = REFUSED[case]
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    if link:
        (tmp_path / "link").symlink_to(name)
    given = "link" if link else name

    result = ctl(command, given)

    assert (result.code, result.err) == (2, f"swarmctl: {given} {why}; pass another path\n")
    (tmp_path / "link").unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    ("command", "old", "code"),
    [
        ("backup", BACKUP, 0),
        ("backup", b"", 0),
        ("backup", SQLITE, 2),
        ("backup", b"version: 1\n", 2),
        ("export", BACKUP, 2),
        ("export", SQLITE, 2),
        ("export", b"", 0),
        ("export", b"version: 1\n", 0),
    ],
)
def test_a_backup_replaces_only_a_backup_and_an_export_no_database(
    ctl: Ctl, tmp_path: Path, command: str, old: bytes, code: int
) -> None:
    (tmp_path / "x").write_bytes(old)
    # Beside a swarm, and a lock that is not a swarm's.
    (tmp_path / "EPOCH").write_text("1")
    (tmp_path / "plan.lock").touch()

    assert ctl(command, "x").code == code
    assert ((tmp_path / "x").read_bytes() == old) is (code == 2)


def test_a_backup_is_not_written_to_stdout(ctl: Ctl, tmp_path: Path) -> None:
    result = ctl("backup", "-")

    assert (result.code, result.err) == (
        2, "swarmctl: a backup is not written to stdout; pass the path of a file\n",
    )  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["export", "backup"])
def test_a_missing_folder_is_named(ctl: Ctl, command: str) -> None:
    assert ctl(command, "nodir/x.db").err == "swarmctl: nodir: No such file or directory\n"


def test_a_link_stays_a_link(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("old")
    (tmp_path / "link").symlink_to("plan.yaml")

    assert ctl("export", "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "plan.yaml").read_text().startswith("version: 1")


def test_an_export_keeps_the_permissions_of_the_file_and_a_backup_is_private(
    ctl: Ctl, tmp_path: Path
) -> None:
    for name, content in (("plan.yaml", b"old"), ("copy.db", BACKUP)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o640)

    assert (ctl("export", "plan.yaml").code, ctl("backup", "copy.db").code) == (0, 0)
    assert (tmp_path / "plan.yaml").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


def test_a_name_as_long_as_names_can_be_is_written(ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("export", "x" * 255).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]


@pytest.mark.parametrize(
    ("old", "warned"),
    [
        ("# why\ntasks: []\n", True),
        ("tasks: []  # why\n", True),
        ("tasks:\n  - id: a#1\n", False),
        (None, False),
    ],
)
def test_comments_that_an_export_replaces_are_named(
    ctl: Ctl, tmp_path: Path, old: str | None, *, warned: bool
) -> None:
    if old is not None:
        (tmp_path / "plan.yaml").write_text(old)

    assert ctl("export", "plan.yaml").err == (
        "swarmctl: plan.yaml had comments; an export keeps none\n" if warned else ""
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_output_for_programs_is_the_same_in_every_encoding(
    operator: FakeOperator, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("SWARM_SERVER", operator.address)

    def output(*arguments: str) -> str:
        data = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(data, encoding=encoding))
        assert main.run(arguments) == 0
        sys.stdout.flush()
        return data.getvalue().decode("utf-8" if arguments[0] == "export" else encoding)

    assert json.loads(output("list", "-o", "json"))[0]["name"] == NAME
    assert yaml.safe_load(output("list", "-o", "yaml"))[0]["name"] == NAME
    assert yaml.safe_load(output("export"))["tasks"][0]["name"] == NAME
    assert json.loads(output("export", "-o", "json"))["tasks"][0]["name"] == NAME
