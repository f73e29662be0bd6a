"""The drill: the machine of swarmd dies with its disk, and a standby takes over from the copy that followed."""

import asyncio
import itertools
import shutil
import signal
from functools import partial
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.exits import ExitCode
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from crash.arena import Arena, arena
from crash.life import hold, worker
from support.database import read_content
from support.programs import Program
from support.refusals import content, swarmd
from support.waiting import eventually
from swarmd.store.file import opening

pytestmark = pytest.mark.slow
COMPLETE = "is a complete copy, and follows"


def follower(found: Arena, copy: Path, *, name: str = "standby") -> Program:
    token = found.db.parent / "token"
    if name == "standby":
        shutil.copy(token, found.stage.folder / "standby.token")
    argv = ("--server", found.stage.address, "--token-file", str(found.stage.folder / "standby.token"))
    return found.stage.start(name, *argv, "backup", "--follow", str(copy), program="swarmctl")


async def complete(standby: Program, times: int = 1) -> None:
    await eventually(
        lambda: standby.said().count(COMPLETE) >= times, f"the copy is complete: {standby.said()}"
    )


def move_to_other_machine(found: Arena, copy: Path) -> None:
    """Kills the server, deletes its disk, and restores the copy where another machine has its state."""
    found.crash()
    shutil.rmtree(found.db.parent)
    assert not found.db.exists()
    said = swarmd(found.db, "--restore", str(copy))
    assert (said.code, said.err) == (0, ""), said.err
    assert said.out == f"swarmd restored db={found.db} epoch=2 kept=-\n"


def stop_both(found: Arena, standby: Program) -> None:
    """Ends both at one moment: the standby reads nothing more of what the server has sent."""
    for program in (standby, found.server):
        program.send(signal.SIGSTOP)
    for program in (standby, found.server):
        program.kill()


@pytest.mark.parametrize("ack", ["stored", "replicated"])
async def test_a_standby_takes_over_a_swarm_at_work_when_machine_and_disk_are_gone(
    tmp_path: Path, ack: str
) -> None:
    copy, names = tmp_path / "copy", [f"t{number}" for number in range(20)]
    async with arena(tmp_path) as found:
        found.start("", "--ack", ack)
        await found.tend()
        standby = follower(found, copy)
        await complete(standby)
        worker(found, "w1")
        for held in ("long", names[-1]):
            hold(found, held).touch()
        await found.add({name: [] for name in names} | {"long": [], "after": [*names, "long"]})
        for name in names[:-1]:
            await found.until(name, "completed")
        await eventually(lambda: found.ledger.starts("long"), "a session runs")
        hold(found, names[-1]).unlink()
        await found.until(names[-1], "completed")
        # Nothing lies between the answer and the end of the machine.
        stop_both(found, standby)
        move_to_other_machine(found, copy)
        found.start()
        await found.tend()

        copied = {name for name in names if await status(found, name) == task_pb2.TASK_STATUS_COMPLETED}
        hold(found, "long").unlink()
        await found.call("ResumeSwarm", pb.ResumeSwarmRequest())
        await found.until("after", "completed")

        assert copied >= set(names if ack == "replicated" else names[:10])
        assert {name for name in names if found.ledger.starts(name) > 1} == set(names) - copied
        assert found.ledger.starts("long") == 1, (
            "a session that the copy knows goes on over the change of servers"
        )
        assert found.ledger.starts("after") == 1
        assert await found.stop() == 0
        assert found.faults() == []


async def test_no_answered_write_is_lost_with_the_machine_under_load(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    answered: list[str] = []
    async with arena(tmp_path) as found:
        found.start("", "--ack", "replicated")
        await found.tend()
        standby = follower(found, copy)
        await complete(standby)
        client = await found.client()

        async def write(number: int) -> None:
            for count in itertools.count():
                name = f"w{number}-{count}"
                try:
                    await client.add(
                        task_pb2.TaskDefinition(task_id=name, name=name, description="x" * 2_000)
                    )
                except grpc.aio.AioRpcError:
                    return
                answered.append(name)

        writers = [asyncio.create_task(write(number)) for number in range(8)]
        await eventually(lambda: len(answered) > 400, "writes are answered", deadline_s=60)
        stop_both(found, standby)
        await asyncio.gather(*writers)
        # A client that dials a port where nobody listens can take the port itself.
        await found.close()
        move_to_other_machine(found, copy)
        found.start()
        await found.tend()

        assert await found.stop() == 0
        assert found.faults() == []
        assert set(answered) - task_ids(found.db) == set()


def task_ids(db: Path) -> set[str]:
    connection = opening.open_reader(db)
    try:
        return {row[0] for row in connection.execute("SELECT task_id FROM tasks")}
    finally:
        connection.close()


async def status(found: Arena, task: str) -> int:
    return int((await found.call("GetTask", pb.GetTaskRequest(task_id=task))).task.status)


async def test_a_server_that_lost_its_database_does_not_replace_the_copy(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        await found.add({"a": []})
        standby = follower(found, copy)
        await complete(standby)
        token = (found.db.parent / "token").read_text()
        found.crash()
        shutil.rmtree(found.db.parent)
        found.db.parent.mkdir()
        (found.db.parent / "token").write_text(token)
        (found.db.parent / "token").chmod(0o600)
        before = kept(copy)

        found.start()
        await found.tend()

        assert await asyncio.to_thread(standby.process.wait, 60) == ExitCode.CONFLICT
        assert "serves another swarm than" in standby.said()
        assert kept(copy) == before
        await found.stop()
        assert swarmd(found.db, "--restore", str(copy)).code == 0
        found.start()
        await found.tend()
        assert await status(found, "a") == task_pb2.TASK_STATUS_NOT_STARTED


async def test_a_server_that_was_replaced_and_comes_back_does_not_replace_the_copy(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        old = await found.backup()
        await found.stop()
        assert swarmd(found.db, "--restore", str(old)).code == 0
        found.start()
        await found.tend()
        standby = follower(found, copy)
        await complete(standby)
        await found.stop()
        before = kept(copy)
        shutil.copy(old, found.db)
        found.db.chmod(0o600)
        (found.db.parent / "EPOCH").unlink()

        found.start()
        await found.tend()

        assert await asyncio.to_thread(standby.process.wait, 60) == ExitCode.CONFLICT
        assert "serves a database that was replaced (epoch 1, " in standby.said()
        assert kept(copy) == before


async def test_a_standby_follows_over_a_restart_of_the_server_and_keeps_its_copy_meanwhile(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "copy"
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        standby = follower(found, copy)
        await complete(standby)
        await found.add({"a": []})
        found.crash()
        found.start()
        await found.tend()
        await complete(standby, times=2)
        await found.add({"b": []})
        await found.stop()
        standby.kill()
        assert [place.name for place in copy.glob("replica-*")] == ["replica-2"]

        move_to_other_machine(found, copy)

        assert read_content(found.db).faults == []


async def test_a_copy_that_is_followed_is_not_restored_and_followed_once(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        await complete(follower(found, copy))

        said = swarmd(tmp_path / "other" / "swarm.db", "--restore", str(copy))

        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "`swarmctl backup --follow` still runs in it; end it first" in said.err
        second = follower(found, copy, name="second")
        assert await asyncio.to_thread(second.process.wait, 60) == ExitCode.CONFLICT
        assert "another program follows into" in second.said()


async def test_a_copy_that_can_not_be_restored_changes_nothing(tmp_path: Path) -> None:
    async with arena(tmp_path) as found:
        found.start()
        await found.tend()
        standby = follower(found, tmp_path / "copy")
        await complete(standby)
        log = tmp_path / "copy" / "replica-1" / "commits.log"
        # A damaged commit at the end of a log counts as torn, so the first of two is damaged.
        for name in ("a", "b"):
            size = log.stat().st_size
            await found.add({name: []})
            await eventually(partial(_is_longer, log, size), f"the copy has the commit of {name}")
        await found.stop()
        standby.kill()
    before = content(found.db.parent)
    for what in ("empty", "damaged base", "damaged log"):
        copy = tmp_path / what.replace(" ", "-")
        shutil.copytree(tmp_path / "copy", copy)
        damage(copy, what)

        said = swarmd(found.db, "--restore", str(copy))

        assert (said.code, said.out) == (2, ""), what
        assert said.err.startswith(f"swarmd: {copy} can't be restored: ")
        assert said.err.count("\n") == 1
        assert content(found.db.parent) == before
        assert not list(found.db.parent.glob("*.backup-*"))


def _is_longer(file: Path, size: int) -> bool:
    return file.stat().st_size > size


def damage(copy: Path, what: str) -> None:
    place = copy / "replica-1"
    match what:
        case "empty":
            shutil.rmtree(copy)
            copy.mkdir()
        case "damaged base":
            # The log replaces some of the pages.
            flip(place / "base.db", *range(30_000, (place / "base.db").stat().st_size, 4_096))
        case _:
            flip(place / "commits.log", 100)


def flip(file: Path, *places: int) -> None:
    data = bytearray(file.read_bytes())
    for place in places:
        data[place] ^= 1
    file.write_bytes(data)


def kept(copy: Path) -> dict[str, bytes]:
    """Returns the files of the copy that counts."""
    return {path.name: path.read_bytes() for path in [copy / "replica.json", *(copy / "replica-1").iterdir()]}
