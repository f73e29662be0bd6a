"""Group commit, savepoints, refusals at opening."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import apsw
import pytest

from swarmd.domain.errors import StorageFailed, StorageFull, SwarmError
from swarmd.domain.model import AttemptKey, Lease, SessionRole, TaskId, TaskKey, WorkerName
from swarmd.store import events, sessions
from swarmd.store.database import Database
from swarmd.store.events import EventKind
from swarmd.store.file import opening
from swarmd.store.file.errors import DatabaseHeld, DatabaseUnusable
from swarmd.store.queries import QUERIES
from swarmd.store.transaction import MAX_DEFERRED, Tx

# A lease of a task that does not exist.
NO_LEASE = Lease(AttemptKey(9), TaskKey(9), TaskId("none"), 1, 1, WorkerName("w"), b"")
ROLE = SessionRole.BUILDER
# The schema of this version.
SCHEMA = opening.migrations()[-1].number


class Refused(SwarmError):
    reason = "REFUSED"


class Gate:
    """A write that occupies the writer until it is released."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.release = threading.Event()

    def __call__(self, _tx: Tx) -> None:
        self.began.set()
        assert self.release.wait(30)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    found = Database(tmp_path / "swarm.db", wall_us=lambda: 1)
    yield found
    await found.close()


def record(tx: Tx, cause: str) -> None:
    events.append(tx, EventKind.SWARM_PAUSED, cause=cause)


async def causes(db: Database) -> list[str]:
    return [event.cause for event in await db.read(lambda tx: events.after(tx, 0, limit=100))]


async def test_writes_that_wait_share_one_commit_and_a_refused_one_leaves_no_trace(db: Database) -> None:
    groups = []
    db.hooks.before_commit = lambda tx: groups.append(events.last_seq(tx))
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(tx: Tx) -> None:
        loop.call_soon_threadsafe(gate.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    def refuse(tx: Tx) -> None:
        record(tx, "never")
        tx.after_commit(lambda: called.append("never"))
        raise Refused("no")

    called: list[str] = []
    release = asyncio.Event()
    first = asyncio.create_task(db.write(hold))
    await gate.wait()
    rest = [asyncio.create_task(db.write(lambda tx, n=n: record(tx, f"{n}"))) for n in range(3)]  # type: ignore[misc]
    refused = asyncio.create_task(db.write(refuse))
    last = asyncio.create_task(db.write(lambda tx: tx.after_commit(lambda: called.append("last"))))
    await asyncio.sleep(0)
    release.set()

    with pytest.raises(Refused):
        await refused
    await asyncio.gather(first, *rest, last)

    assert len(groups) == 2, "the jobs that waited shared a group"
    assert await causes(db) == ["0", "1", "2"]
    assert called == ["last"]
    assert [event.seq for event in await db.read(lambda tx: events.after(tx, 0, limit=9))] == [1, 2, 3]


async def test_an_urgent_write_waits_for_no_other_that_has_not_begun(db: Database) -> None:
    """Overtakes jobs of the present group and of the queue, and none of them is lost."""
    first, second = Gate(), Gate()
    ran: list[str] = []

    def note(tx: Tx, name: str) -> None:
        ran.append(name)
        record(tx, name)

    def write(name: str, *, urgent: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(db.write(partial(note, name=name), urgent=urgent))

    held = [asyncio.create_task(db.write(first))]
    await asyncio.to_thread(first.began.wait, 30)
    held.append(asyncio.create_task(db.write(second)))
    taken = [write(f"taken {number}") for number in range(3)]
    await asyncio.sleep(0)
    first.release.set()
    await asyncio.to_thread(second.began.wait, 30)
    later = write("later")
    urgent = [write("kill", urgent=True), write("stop", urgent=True)]
    await asyncio.sleep(0)
    second.release.set()

    await asyncio.gather(*urgent)
    assert ran[:2] == ["kill", "stop"]
    await asyncio.gather(*held, *taken, later)
    assert ran == ["kill", "stop", "taken 0", "taken 1", "taken 2", "later"]
    assert await causes(db) == ran


async def test_a_preemptible_write_makes_way_for_an_urgent_one_and_runs_after_it_once(db: Database) -> None:
    gates = [Gate(), Gate()]
    begun: list[Gate] = []
    called: list[str] = []

    def long(tx: Tx) -> str:
        gate = gates[len(begun)]
        begun.append(gate)
        tx.after_commit(lambda: called.append("long"))
        record(tx, "long begins")
        gate(tx)
        record(tx, "long ends")
        return "done"

    task = asyncio.create_task(db.write(long, preemptible=True))
    for gate in gates:
        await asyncio.to_thread(gate.began.wait, 30)
        urgent = asyncio.create_task(db.write(lambda tx: record(tx, "kill"), urgent=True))
        await asyncio.sleep(0)
        gate.release.set()
        await urgent

    assert await task == "done"
    assert len(begun) == 2, "it makes way once"
    assert called == ["long"]
    assert await causes(db) == ["kill", "long begins", "long ends", "kill"]


async def test_a_bug_in_the_before_commit_hook_undoes_the_group_and_reaches_its_callers(
    db: Database,
) -> None:
    def broken(tx: Tx) -> None:
        raise ZeroDivisionError

    db.hooks.before_commit = broken
    with pytest.raises(ZeroDivisionError):
        await db.write(lambda tx: record(tx, "gone"))
    db.hooks.before_commit = lambda _tx: None
    await db.write(lambda tx: record(tx, "kept"))

    assert await causes(db) == ["kept"]


async def test_a_full_disk_is_reported_and_writes_go_on_when_there_is_space(tmp_path: Path) -> None:
    db = Database(tmp_path / "swarm.db", wall_us=lambda: 1)
    pages = db._writer.pragma("page_count")
    db._writer.pragma("max_page_count", pages)

    with pytest.raises(StorageFull, match="nothing was changed"):
        await db.write(lambda tx: record(tx, "x" * 1_000_000))
    db._writer.pragma("max_page_count", 1_000_000)
    await db.write(lambda tx: record(tx, "room again"))

    assert await causes(db) == ["room again"]
    await db.close()


async def test_a_failed_commit_ends_all_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = Database(tmp_path / "swarm.db", wall_us=lambda: 1)
    real = db._writer

    class Failing:
        def execute(self, text: str, *args: object) -> object:
            if text == "COMMIT":
                raise apsw.IOError("fsync")
            return real.execute(text, *args)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    monkeypatch.setattr(db._commits, "_connection", Failing())
    with pytest.raises(StorageFailed, match="the outcome is unknown"):
        await db.write(lambda tx: record(tx, "perhaps"))
    await asyncio.wait_for(db.failed.wait(), 10)
    with pytest.raises(StorageFailed):
        await db.write(lambda tx: record(tx, "never"))
    await db.close()


async def test_a_callback_that_fails_holds_no_caller(db: Database) -> None:
    loop, reported = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    gate = Gate()
    blocker = asyncio.create_task(db.write(gate))
    await asyncio.to_thread(gate.began.wait, 30)

    def fail() -> None:
        raise KeyError("a defect")

    first = asyncio.create_task(db.write(lambda tx: tx.after_commit(fail)))
    second = asyncio.create_task(db.write(partial(record, cause="b")))
    await asyncio.sleep(0)
    gate.release.set()
    await asyncio.gather(blocker, first, second)

    assert await causes(db) == ["b"]
    assert [str(error) for error in reported] == ["'a defect'"]


async def test_a_writer_that_can_not_go_on_fails_its_callers_and_says_so(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_group: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(db, "_commit", fail)

    with pytest.raises(StorageFailed):
        await db.write(partial(record, cause="a"))
    await asyncio.wait_for(db.failed.wait(), 30)
    with pytest.raises(StorageFailed):
        await db.write(partial(record, cause="b"))


async def test_a_defect_after_the_commit_ends_all_writing_and_leaves_no_caller_waiting(
    tmp_path: Path,
) -> None:
    db = Database(tmp_path / "swarm.db", wall_us=lambda: 1)

    def broken(_commit_s: float, _jobs: int) -> None:
        raise ZeroDivisionError

    db.hooks.after_commit = broken
    for _ in range(2):
        with pytest.raises(StorageFailed, match="the outcome is unknown"):
            await asyncio.wait_for(db.write(lambda tx: record(tx, "perhaps")), 10)
    await asyncio.wait_for(db.failed.wait(), 10)
    await db.close()


async def test_reads_see_one_moment_and_do_not_wait_for_writes(db: Database) -> None:
    await db.write(lambda tx: record(tx, "a"))

    assert await asyncio.gather(*(causes(db) for _ in range(8))) == [["a"]] * 8


async def test_a_backup_is_a_sound_database_of_its_own(db: Database, tmp_path: Path) -> None:
    await db.write(lambda tx: record(tx, "a"))

    await db.backup(tmp_path / "copy.db")

    copy = Database(tmp_path / "copy.db", wall_us=lambda: 1)
    assert await causes(copy) == ["a"]
    await copy.close()


async def test_the_schema_refuses_what_no_code_should_write(db: Database) -> None:
    with pytest.raises(apsw.ConstraintError):
        await db.write(lambda tx: tx.run("swarm_set_mode", mode="flying", cause="", stops=0))


def test_a_second_daemon_on_the_same_file_is_refused_by_name(tmp_path: Path) -> None:
    import os  # noqa: PLC0415

    lock = opening.Lock(tmp_path / "swarm.db.lock")

    with pytest.raises(DatabaseHeld, match=f"pid {os.getpid()}"):
        opening.Lock(tmp_path / "swarm.db.lock")

    lock.release()
    opening.Lock(tmp_path / "swarm.db.lock").release()


def _newer(path: Path) -> None:
    opening.open_writer(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()


def _foreign(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE other (x)")
    connection.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (
            lambda path: path.write_text("not a database, but long enough to be looked at" * 50),
            "not a sound database",
        ),
        (_newer, f"of a newer swarmd (schema 99, this one knows {SCHEMA}); upgrade swarmd"),
        (_foreign, "a database of another program; give another --db"),
        (lambda path: path.mkdir(), "can't be opened"),
    ],
)
def test_a_file_that_can_not_serve_is_refused_and_left_as_it_is(
    tmp_path: Path, make: object, message: str
) -> None:
    path = tmp_path / "swarm.db"
    make(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else None

    with pytest.raises(DatabaseUnusable) as caught:
        opening.open_writer(path)

    assert message in str(caught.value)
    assert before is None or path.read_bytes() == before


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "swarm.db"
    opening.open_writer(path).close()
    blob = bytearray(path.read_bytes())
    blob[4096:8192] = b"\xff" * 4096
    path.write_bytes(bytes(blob))

    with pytest.raises(DatabaseUnusable, match="restore a backup"):
        opening.open_writer(path)


def test_every_query_is_used_and_every_used_one_is_there() -> None:
    import re  # noqa: PLC0415
    from importlib.resources import files  # noqa: PLC0415

    root = Path(str(files("swarmd")))
    code = "\n".join(path.read_text() for path in root.rglob("*.py"))
    used = set(re.findall(r"""(?:tx|self)\.(?:all|one|value|rows|run|run_many|defer)\(\s*"(\w+)\"""", code))

    assert used == set(QUERIES)


def test_the_settings_make_an_answered_write_survive_a_loss_of_power(tmp_path: Path) -> None:
    connection = opening.open_writer(tmp_path / "swarm.db")

    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("wal_autocheckpoint") == 0
    assert connection.pragma("foreign_keys") == 1
    connection.close()


def _with_migrations(monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    shipped = opening.migrations()
    added = [opening.Migration(shipped[-1].number + n, sql) for n, sql in enumerate(more, start=1)]
    monkeypatch.setattr(opening, "migrations", lambda: [*shipped, *added])


def test_an_older_database_is_brought_up_to_date_and_kept_as_it_was_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "swarm.db"
    opening.open_writer(path).close()
    _with_migrations(monkeypatch, "ALTER TABLE swarm ADD COLUMN colour TEXT;")

    connection = opening.open_writer(path)

    assert connection.pragma("user_version") == SCHEMA + 1
    assert connection.execute("SELECT colour FROM swarm").get is None
    connection.close()
    copy = apsw.Connection(str(tmp_path / f"swarm.db.before-schema-{SCHEMA + 1}"))
    assert copy.pragma("user_version") == SCHEMA
    copy.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "swarm.db"
    opening.open_writer(path).close()
    _with_migrations(monkeypatch, "CREATE TABLE more (x); SELECT no_such_function();")

    with pytest.raises(apsw.SQLError):
        opening.open_writer(path)

    monkeypatch.undo()
    connection = opening.open_writer(path)
    assert connection.pragma("user_version") == SCHEMA
    assert not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'more'").get
    connection.close()


def write_only(tx: Tx) -> None:
    record(tx, "after")


def read_first(tx: Tx) -> None:
    """Forces a flush of the deferred writes in the middle of this job."""
    events.last_seq(tx)
    record(tx, "after")


@pytest.mark.parametrize("last", [write_only, read_first])
async def test_a_deferred_write_that_the_database_refuses_fails_its_own_job_alone(
    db: Database, last: Callable[[Tx], None]
) -> None:
    gate = Gate()
    held = asyncio.create_task(db.write(gate))
    await asyncio.to_thread(gate.began.wait, 30)
    before = asyncio.create_task(db.write(lambda tx: record(tx, "before")))
    broken = asyncio.create_task(
        db.write(lambda tx: sessions.add(tx, NO_LEASE, session_id="s", role=ROLE, runner="r"))
    )
    after = asyncio.create_task(db.write(last))
    await asyncio.sleep(0)
    gate.release.set()

    with pytest.raises(apsw.ConstraintError):
        await broken
    await asyncio.gather(held, before, after)
    assert await causes(db) == ["before", "after"]


async def test_a_job_with_more_deferred_writes_than_memory_holds_is_undone_alone(db: Database) -> None:
    """Its first writes are flushed before it fails; the deferred writes of the job before it stay."""
    gate = Gate()
    held = asyncio.create_task(db.write(gate))
    await asyncio.to_thread(gate.began.wait, 30)

    def fail(tx: Tx) -> None:
        for number in range(MAX_DEFERRED + 10):
            record(tx, f"never {number}")
        raise Refused("no")

    before = asyncio.create_task(db.write(lambda tx: record(tx, "before")))
    broken = asyncio.create_task(db.write(fail))
    after = asyncio.create_task(db.write(lambda tx: record(tx, "after")))
    await asyncio.sleep(0)
    gate.release.set()

    with pytest.raises(Refused):
        await broken
    await asyncio.gather(held, before, after)
    assert await causes(db) == ["before", "after"]
