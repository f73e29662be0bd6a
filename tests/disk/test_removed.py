"""A database that is removed or replaced under a real server: the server ends with one line and answers no write."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from support.programs import environment
from support.server import server


def _replace(db: Path) -> None:
    shutil.copyfile(db, db.with_name("other"))
    db.with_name("other").replace(db)


LOSSES: dict[str, Callable[[Path], object]] = {
    "database": lambda db: db.unlink(),
    "WAL": lambda db: db.with_name("swarm.db-wal").unlink(),
    "lock": lambda db: db.with_name("swarm.db.lock").unlink(),
    "folder": lambda db: shutil.rmtree(db.parent),
    "folder moved": lambda db: db.parent.rename(db.parent.with_name("elsewhere")),
    "database replaced": _replace,
    "database emptied": lambda db: os.truncate(db, 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_an_idle_server_whose_files_are_lost_ends_with_one_line(tmp_path: Path, loss: str) -> None:
    db = tmp_path / "state" / "swarm.db"
    argv = [
        sys.executable,
        "-m",
        "swarmd.main",
        "--db",
        str(db),
        "--listen",
        "127.0.0.1:0",
        "--dashboard",
        "off",
    ]
    process = subprocess.Popen(
        [*argv, "--log-level", "error"], env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline().startswith("swarmd ready ")

    LOSSES[loss](db)

    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    logged, last = said.splitlines()
    assert "a file of the database was removed or replaced" in logged
    assert last.startswith(
        f"swarmd: the database {db} was removed or replaced under the running server (swarm.db"
    )


async def test_a_start_that_makes_a_new_database_logs_it(tmp_path: Path) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            async with server(tmp_path):
                pass

    assert [log["db"] for log in logs if log["event"] == "created the database"] == [
        str(tmp_path / "swarm.db")
    ]
