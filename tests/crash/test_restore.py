"""Restore is atomic and begins a new epoch, in which leases and results of the lost time are void."""

import signal
from pathlib import Path

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import swarm_pb2
from crash.arena import Arena, arena
from crash.life import hold, worker
from support.database import read_content
from support.programs import alive
from support.refusals import content, swarmd
from support.waiting import eventually
from swarmd.store import swarm as store_swarm
from swarmd.store.file import opening
from swarmd.store.transaction import ReadTx

pytestmark = pytest.mark.slow
PLACES = [
    "epoch.before:1", "epoch.after:1", "restore.before:1", "restore.after:1", "restore.before:2", "restore.after:2",
    "keep.before:1", "keep.after:1", "keep.before:2", "keep.after:2", "place.before:1", "place.after:1",
]  # fmt: skip


async def tasks(found: Arena) -> dict[str, int]:
    """Returns the number of the latest attempt of each task."""
    listed = await found.call("ListTasks", pb.ListTasksRequest())
    return {task.task_id: task.attempt for task in listed.tasks}


async def test_a_restore_replaces_the_database_and_keeps_the_old_one(tmp_path: Path) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        await found.add({"old": []})
        await found.add_large()
        copy = await found.backup()
        await found.add({"new": []})
        found.crash()
        kept = found.db.with_name("swarm.db.before-restore-1")

        said = swarmd(found.db, "--restore", str(copy))

        assert (said.code, said.err) == (0, "")
        assert said.out == f"swarmd restored db={found.db} epoch=2 kept={kept}\n"
        found.start()
        await found.tend()
        large = {f"large-{number}": 0 for number in range(4)}
        assert await tasks(found) == {"old": 0} | large
        swarm = (await found.call("GetSwarm", pb.GetSwarmRequest())).swarm
        assert swarm.mode == swarm_pb2.SWARM_MODE_PAUSED, "workers of the lost time may still be at work"
        assert swarm.cause.startswith("restored from a backup; resume when ")
        await found.stop()

        said = swarmd(found.db, "--restore", str(kept))

        assert said.out.endswith(f"epoch=3 kept={found.db}.before-restore-2\n")
        found.start()
        assert await tasks(found) == {"old": 0, "new": 0} | large, (
            "the kept database is complete, its WAL included"
        )


async def test_a_database_in_use_is_not_replaced(tmp_path: Path) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        copy = await found.backup()

        said = swarmd(found.db, "--restore", str(copy))

        assert (said.code, said.out) == (3, "")
        assert f"another swarmd has this database open (pid {found.server.pid})" in said.err


@pytest.mark.parametrize("what", ["missing", "empty", "no database", "cut off", "flipped"])
async def test_an_unusable_backup_changes_nothing(tmp_path: Path, what: str) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        copy = await found.backup()
        whole = copy.read_bytes()
        found.crash()
    bad = {
        "empty": b"", "no database": b"something else " * 1_000, "cut off": whole[: len(whole) // 2],
        "flipped": whole[:30_000] + bytes([whole[30_000] ^ 1]) + whole[30_001:],
    }  # fmt: skip
    copy.unlink() if what == "missing" else copy.write_bytes(bad[what])
    before = content(found.db.parent)

    said = swarmd(found.db, "--restore", str(copy))

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"swarmd: {copy}")
    assert said.err.count("\n") == 1
    assert content(found.db.parent) == before


@pytest.mark.parametrize("place", PLACES)
async def test_a_restore_killed_anywhere_leaves_the_old_database_or_the_new_one(
    tmp_path: Path, place: str
) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        await found.add({"old": []})
        copy = await found.backup()
        await found.add({"new": []})
        found.crash()
        died = found.start(f"{place}:kill", "--restore", str(copy))
        assert died.process.wait(30) == -signal.SIGKILL

        found.start()
        await found.tend()

        decided = PLACES.index(place) >= PLACES.index("restore.after:2")
        assert await tasks(found) == ({"old": 0} if decided else {"old": 0, "new": 0})
        assert await found.stop() == 0
        assert found.faults() == []
        kept = found.db.with_name("swarm.db.before-restore-1")
        assert kept.exists() is decided
        if decided:
            assert read_content(kept).faults == []


@pytest.mark.parametrize("when", ["while the session runs", "after the session has ended"])
async def test_a_lease_of_the_lost_time_is_void(tmp_path: Path, when: str) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        hold(found, "a").touch()
        await found.add({"a": []})
        copy = await found.backup()
        worker(found, "w1")
        await eventually(lambda: found.ledger.starts("a"), "the session began")
        lost = (
            (await found.call("GetTask", pb.GetTaskRequest(task_id="a"))).attempts[0].sessions[0].session_id
        )
        found.crash()
        outbox = found.stage.worker_state / "w1" / "outbox"
        if when == "after the session has ended":
            hold(found, "a").unlink()
            await eventually(lambda: list(outbox.glob("*.outcome")), "its result waits")
        assert swarmd(found.db, "--restore", str(copy)).code == 0

        found.start()
        await found.tend()

        await eventually(lambda: not alive(found.ledger.pids()[0]), "the session of the lost time is ended")
        await eventually(lambda: not list(outbox.glob("*.outcome")), "its result is answered")
        task = await found.call("GetTask", pb.GetTaskRequest(task_id="a"))
        assert (task.task.attempt, len(task.attempts)) == (0, 0), "the lost attempt left nothing"
        hold(found, "a").unlink(missing_ok=True)
        await found.call("ResumeSwarm", pb.ResumeSwarmRequest())
        await found.until("a", "completed")
        again = (
            (await found.call("GetTask", pb.GetTaskRequest(task_id="a"))).attempts[0].sessions[0].session_id
        )
        assert again != lost, "the same task and attempt, but of another epoch"
        assert found.ledger.starts("a") == 2


def epoch(path: Path) -> int:
    """Returns the epoch that a start finds or begins."""
    connection = opening.open_writer(path)
    try:
        return store_swarm.get(ReadTx(connection)).epoch
    finally:
        connection.close()


async def test_an_older_copy_put_in_place_by_hand_begins_a_new_epoch_too(tmp_path: Path) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        copy = await found.backup()
        await found.insist(lambda client: client.add(clear=True))
        await found.stop()
        assert (found.db.with_name("EPOCH").read_text(), epoch(found.db)) == ("2\n", 2)

        found.db.write_bytes(copy.read_bytes())

        assert epoch(found.db) == 3
        found.db.unlink()
        assert epoch(found.db) == 4, "a new database does not begin at the first epoch again"


@pytest.mark.parametrize("text", ["many", "", "1" * 16, "-1", "²"])
def test_an_epoch_file_without_a_number_is_refused(tmp_path: Path, text: str) -> None:
    db = tmp_path / "state" / "swarm.db"
    db.parent.mkdir()
    db.with_name("EPOCH").write_text(f"{text}\n", encoding="utf-8")

    said = swarmd(db)

    assert said.code == 1
    assert said.err.startswith(
        f"swarmd: {db}: EPOCH beside it does not contain a number of at most 15 digits; write "
    )
