"""Migrations: wherever a migrating start is cut off, the next start completes it, and nothing is lost."""

import random
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from disk.images import Loss, Platter
from disk.powerloss import lay_out
from disk.vfs import Disk, mounted
from support.database import digest
from swarmd.domain.model import TaskKey
from swarmd.store import attempts, workers
from swarmd.store.file import opening
from swarmd.store.file.opening import Migration
from swarmd.store.transaction import ReadTx

# Changes the central table, and rewrites a big one.
STEPS = (
    "ALTER TABLE swarm ADD COLUMN colour TEXT; CREATE TABLE more (x TEXT) STRICT; INSERT INTO more VALUES ('m');",
    "CREATE TABLE events_2 AS SELECT * FROM events; DROP TABLE events_2; CREATE INDEX by_kind ON events (kind);",
)
PROGRAM = """
import sys
from pathlib import Path
from swarmd.store.file import opening
shipped = opening.migrations()
added = [opening.Migration(shipped[-1].number + n, sql) for n, sql in enumerate(sys.argv[2:], start=1)]
opening.migrations = lambda: [*shipped, *added]
opening.open_writer(Path(sys.argv[1])).close()
"""


def old_database(path: Path, vfs: str | None = None) -> str:
    """Makes a database of the present schema with events; returns their text."""
    connection = opening.open_writer(path, vfs=vfs)
    for number in range(200):
        connection.execute(
            "INSERT INTO events (happened_us, kind, task_id, status, attempt, worker, session_id, cause)"
            " VALUES (1, 'server_started', '', '', 0, '', '', ?)",
            (f"{number} " + "x" * 200,),
        )
    found = kept(connection)
    connection.close()
    return found


def kept(connection: apsw.Connection) -> str:
    """Returns the rows that no migration may change, as text."""
    return str(connection.execute("SELECT seq, cause FROM events ORDER BY seq").fetchall())


def newest() -> int:
    return opening.migrations()[-1].number


@pytest.fixture
def _two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = opening.migrations()
    added = [Migration(shipped[-1].number + number, sql) for number, sql in enumerate(STEPS, start=1)]
    monkeypatch.setattr(opening, "migrations", lambda: [*shipped, *added])


@pytest.mark.slow
def test_the_next_start_succeeds_after_a_power_cut_at_any_step_of_a_migration(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path, disk = lay_out({}, tmp_path / "live"), Disk()
    before = old_database(path, vfs="unix")
    files = {path.name: path.read_bytes()}
    request.getfixturevalue("_two_more")
    with mounted(disk) as vfs:
        opening.open_writer(path, vfs=vfs).close()
    platter, rng, states = Platter(files), random.Random(1), set()
    image = lay_out({}, tmp_path / "image")

    for op in disk.ops:
        platter.ask(op)
        found = platter.image(rng.choice(list(Loss)), rng)
        lay_out({name: data for name, data in found.items() if not name.endswith(".new")}, image.parent)
        connection = opening.open_writer(image)
        states.add(digest(connection))
        assert connection.pragma("user_version") == newest()
        assert kept(connection) == before
        assert connection.pragma("integrity_check") == "ok"
        connection.close()

    assert len(disk.ops) > 20
    assert len(states) == 1, "every cut ends in the same state"


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", ["copy.before:1", "copy.after:1", "migrate.before:1", "migrate.after:1", "migrate.before:2"]
)
def test_the_next_start_succeeds_after_a_kill_in_a_migration(tmp_path: Path, place: str) -> None:
    path = tmp_path / "swarm.db"
    before = old_database(path)
    argv = [sys.executable, "-c", PROGRAM, str(path), *STEPS]
    armed = {"SWARM_TESTING": "1", "SWARM_FAILPOINT": f"{place}:kill"}

    assert subprocess.run(argv, env=armed, check=False, timeout=30).returncode == -9
    assert subprocess.run(argv, env={}, check=False, timeout=30).returncode == 0

    connection = opening.open_reader(path)
    assert connection.pragma("user_version") == newest() + 2
    assert kept(connection) == before
    connection.close()
    copies = sorted(found.name for found in tmp_path.glob("*before-schema*"))
    assert copies[0] == f"swarm.db.before-schema-{newest() + 2}"
    assert not [name for name in copies if name.endswith(".new")]


# The last schema without targets and places.
BEFORE_LANDINGS = 6


def test_attempts_from_before_landings_are_attempts_without_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "swarm.db"
    shipped = opening.migrations()
    with monkeypatch.context() as patch:
        patch.setattr(opening, "migrations", lambda: shipped[:BEFORE_LANDINGS])
        old = opening.open_writer(path)
        old.execute("INSERT INTO label_sets (labels) VALUES ('{}')")
        old.execute(
            "INSERT INTO tasks (key, task_id, name, phase, type, priority, label_set_key, policy, max_retries,"
            " status, ready, unmet, attempt, failures, losses, last_error, cause, interrupted, backoff_s, created_us)"
            " VALUES (1, 'a', 'a', '', '', 2, 1, 'skip', 2, 'in_progress', 0, 0, 1, 1, 0, '', '', 0, 0, 1)"
        )
        old.execute(
            "INSERT INTO workers (key, name, incarnation, instance, slots, labels, runner, host, pid, version,"
            " containment, opening, draining) VALUES (1, 'w', 'i', 'm', 1, '{}', 'command', 'h', 1, '0', 'c', 0, 0)"
        )
        old.execute(
            "INSERT INTO attempts (key, task_key, number, epoch, secret_hash, worker_key, claimed_us, error)"
            " VALUES (1, 1, 1, 1, zeroblob(32), 1, 1, '')"
        )
        old.execute('INSERT INTO definitions (task_key, body) VALUES (1, \'{"task_id":"a"}\')')
        old.close()

    connection = opening.open_writer(path)

    tx = ReadTx(connection)
    record = attempts.find(tx, TaskKey(1), 1)
    worker = workers.find(tx, "w")
    assert record is not None
    assert worker is not None
    assert (record.target_key, record.landing_place, record.task.landing_failures) == (None, None, 0)
    assert (worker.identity.repository, worker.identity.workspace) == ("", "shared")
    assert connection.pragma("integrity_check") == "ok"
    assert not connection.execute("PRAGMA foreign_key_check").fetchall()
    connection.close()
