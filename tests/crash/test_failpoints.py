"""swarmd is killed at every failpoint: after a restart nothing is lost or done twice."""

import signal
from pathlib import Path

import pytest

from crash.arena import arena
from crash.life import VERBS, dies_at, killed_at_random, replies, table
from support.database import read_content
from support.waiting import eventually

pytestmark = pytest.mark.slow
TIMES = (1, 2, 3, 4, 6, 9, 14, 22)

# Failpoints by group, with the number of the pass since the start.
TABLE = {
    "before commits": table(("commit.before",), TIMES),
    "after commits": table(("commit.after",), TIMES),
    "claims and goes": table(replies("ClaimTask", "RecordSession"), (1, 2, 3)),
    "outcomes and beats": table(replies("FinishTask", "Heartbeat"), (1, 2, 4)),
    "starts": table(("fold.before", "fold.after", "wal.before", "wal.after"), (1,)),
    "verbs": table(replies(*VERBS), (1,)),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", TABLE)
async def test_a_server_killed_there_loses_nothing_and_does_nothing_twice(tmp_path: Path, group: str) -> None:
    async with arena(tmp_path) as found:
        await dies_at(found, TABLE[group])


@pytest.mark.parametrize(
    "place",
    ["make.before", "make.after", "migrate.before", "migrate.after", "fold.before", "fold.after",
     "wal.before", "wal.after", "epoch.before", "epoch.after",
     "commit.before", "commit.after", "token.before", "token.after"],
)  # fmt: skip
async def test_the_second_start_succeeds_after_a_first_start_killed_there(tmp_path: Path, place: str) -> None:
    async with arena(tmp_path) as found:
        died = found.start(f"{place}:1:kill")
        assert died.process.wait(30) == -signal.SIGKILL

        found.start()
        await found.tend()
        await found.add({"a": []})

        assert await found.stop() == 0
        left = {path.name for path in found.db.parent.iterdir()}
        assert left <= {
            *("swarm.db", "swarm.db.lock", "swarm.db.reserve", "EPOCH"),
            *("token", "project", ".gitignore"),
        }
        assert found.faults() == []


@pytest.mark.parametrize("place", ["checkpoint.before", "checkpoint.after"])
async def test_a_server_killed_while_it_folds_the_wal_loses_nothing(tmp_path: Path, place: str) -> None:
    async with arena(tmp_path) as found:
        found.start(f"{place}:1:kill")
        await found.tend()
        # More than the WAL takes without a checkpoint.
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
        await found.add_large()

        copy = await found.backup()

        assert found.died == 1
        assert not list(found.db.parent.glob("*.backup-*")), "the incomplete copy is removed"
        assert read_content(copy).faults == []


async def test_a_server_killed_at_random_under_load_loses_nothing_and_does_nothing_twice(
    tmp_path: Path,
) -> None:
    async with arena(tmp_path) as found:
        await killed_at_random(found, seed=1, kills=15, workers=3)
