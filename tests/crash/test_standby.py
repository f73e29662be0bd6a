"""The drill: the machine of swarmd dies with its disk, and a standby takes over from the copy that followed."""

import asyncio
import shutil
from pathlib import Path

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from crash.arena import Arena, arena
from crash.life import hold, worker
from support.database import read_content
from support.programs import Program, alive
from support.refusals import content, swarmd
from support.waiting import eventually

pytestmark = pytest.mark.slow
COMPLETE = "is a complete copy, and follows"


def follower(found: Arena, copy: Path, *, name: str = "standby") -> Program:
    token = found.db.parent / "token"
    if name == "standby":
        shutil.copy(token, found.stage.folder / "standby.token")
    argv = ("--server", found.stage.address, "--token-file", str(found.stage.folder / "standby.token"))
    return found.stage.start(name, *argv, "backup", "--follow", str(copy), program="swarmctl")


async def complete(standby: Program, times: int = 1) -> None:
    await eventually(lambda: standby.said().count(COMPLETE) >= times, f"the copy is complete: {standby.said()}")


def move_to_other_machine(found: Arena, copy: Path) -> None:
    """Kills the server, deletes its disk, and restores the copy where another machine has its state."""
    found.crash()
    shutil.rmtree(found.db.parent)
    assert not found.db.exists()
    said = swarmd(found.db, "--restore", str(copy))
    assert (said.code, said.err) == (0, ""), said.err
    assert said.out == f"swarmd restored db={found.db} epoch=2 kept=-\n"


@pytest.mark.parametrize("ack", ["stored", "replicated"])
async def test_a_standby_takes_over_a_swarm_at_work_when_machine_and_disk_are_gone(
    tmp_path: Path, ack: str
) -> None:
    copy = tmp_path / "copy"
    async with arena(tmp_path) as found:
        found.start("", "--ack", ack)
        await found.tend()
        standby = follower(found, copy)
        await complete(standby)
        worker(found, "w1")
        hold(found, "long").touch()
        await found.add({f"done-{n}": [] for n in range(20)} | {"long": [], "after": ["done-0", "long"]})
        for number in range(20):
            await found.until(f"done-{number}", "completed")
        await eventually(lambda: found.ledger.starts("long"), "a session runs")
        long = found.ledger.pids()[-1]
        if ack == "stored":
            await found.caught_up(copy)
        found.crash()
        standby.kill()

        move_to_other_machine(found, copy)
        found.start()
        await found.tend()

        await eventually(lambda: not alive(long), "the session of the lost time is ended")
        hold(found, "long").unlink()
        found.forget_client()
        await found.call("ResumeSwarm", pb.ResumeSwarmRequest())
        await found.until("after", "completed")
        starts = {task: found.ledger.starts(task) for task in (f"done-{n}" for n in range(20))}
        assert set(starts.values()) == {1}, "what the copy has as completed is not done again"
        assert found.ledger.starts("long") == 2
        assert found.ledger.starts("after") == 1
        assert await found.stop() == 0
        assert found.faults() == []
