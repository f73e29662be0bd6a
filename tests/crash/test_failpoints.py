"""swarmd is killed at every place where it matters, once or later: started again, nothing is lost or done twice."""

import signal
from pathlib import Path

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from crash.arena import arena
from crash.life import killed_at_random, rounds_until_dead, table, worker
from disk.powerloss import look
from support.server import Client
from support.waiting import eventually

pytestmark = pytest.mark.slow
VERBS = ("AddTasks", "KillTask", "EmergencyStop", "ResumeSwarm")

# At which places, and at which time of passing them since the start.
TABLE = {
    "before commits": table(("commit.before",), (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25)),
    "after commits": table(("commit.after",), (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25)),
    "claims and goes": table(
        ("ClaimTask.reply", "ClaimTask.replied", "RecordSession.reply", "RecordSession.replied"), (1, 2, 4)
    ),
    "outcomes and beats": table(
        ("FinishTask.reply", "FinishTask.replied", "Heartbeat.reply", "Heartbeat.replied"), (1, 3, 5)
    ),
    "starts": table(("fold.before", "fold.after", "wal.before", "wal.after"), (1,)),
    "verbs": table([f"{verb}.{when}" for verb in VERBS for when in ("reply", "replied")], (1,)),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", TABLE)
async def test_a_server_killed_there_loses_nothing_and_does_nothing_twice(tmp_path: Path, group: str) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        worker(found, "w1")
        found.failpoints = list(TABLE[group])
        rounds = await rounds_until_dead(found)
        for this in rounds:
            this.judge()
        assert await found.stop() == 0
        assert found.faults() == []


@pytest.mark.parametrize(
    "place",
    ["make.before", "make.after", "migrate.before", "migrate.after", "fold.before", "fold.after",
     "wal.before", "wal.after", "epoch.before", "epoch.after",
     "commit.before", "commit.after", "token.before", "token.after"],
)  # fmt: skip
async def test_a_first_start_killed_there_is_no_hindrance_to_the_second(tmp_path: Path, place: str) -> None:
    async with arena(tmp_path) as found:
        died = found.start(f"{place}:1:kill")
        assert died.process.wait(30) == -signal.SIGKILL

        found.start()
        await found.tend()
        await found.add({"a": []})

        assert await found.stop() == 0
        left = {path.name for path in found.db.parent.iterdir()}
        assert left <= {"swarm.db", "swarm.db.lock", "swarm.db.reserve", "EPOCH", "token"}
        assert found.faults() == []


@pytest.mark.parametrize("place", ["checkpoint.before", "checkpoint.after"])
async def test_a_server_killed_while_it_folds_the_wal_loses_nothing(tmp_path: Path, place: str) -> None:
    async with arena(tmp_path) as found:
        found.start(f"{place}:1:kill")
        await found.tend()
        # More than fits the WAL without a checkpoint.
        plan: dict[str, list[str]] = {f"t{number}": [] for number in range(900)}
        await found.add(plan, description="x" * 12_000)

        async def died() -> int:
            await found.tend()
            return found.died

        await eventually(died, f"it dies at {place}")
        await found.until("t899", "not_started")
        assert await found.stop() == 0
        assert found.faults() == []


@pytest.mark.parametrize("place", ["backup.before", "backup.after", "Backup.reply", "Backup.replied"])
async def test_a_server_killed_in_a_backup_leaves_nothing_of_it(tmp_path: Path, place: str) -> None:
    async with arena(tmp_path) as found:
        found.start(f"{place}:1:kill")
        await found.tend()
        await found.add({"a": []})

        async def backup(client: Client) -> bytes:
            stream = client.operator.Backup(pb.BackupRequest(), metadata=client.metadata)
            return b"".join([message.chunk async for message in stream])

        copy = await found.insist(backup)

        assert found.died == 1
        assert not list(found.db.parent.glob("*.backup-*")), "what was half done is gone"
        (tmp_path / "copy.db").write_bytes(copy)
        assert look(tmp_path / "copy.db").faults == []


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_server_killed_at_random_under_load_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, seed: int
) -> None:
    async with arena(tmp_path) as found:
        await killed_at_random(found, seed=seed, tasks=60, kills=12)
