"""A full disk and a failing disk under the real server."""

import asyncio
import subprocess
import sys
from pathlib import Path

import apsw
import grpc
import pytest
from structlog.testing import capture_logs

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2, swarm_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from disk.small_disk import fill, small_disk
from support.clock import FakeClock
from support.database import read_content
from support.engine import engine_harness, task
from support.programs import environment
from support.server import Client, next_message, refusal, server
from support.waiting import eventually
from swarmd.domain.errors import StorageFull
from swarmd.store.database import Database
from swarmd.store.file import opening
from swarmd.store.file.disk_reserve import RESERVE_BYTES, DiskReserve

TESTS = Path(__file__).resolve().parents[1]


def planned(task_id: str, size: int = 1_000) -> task_pb2.TaskDefinition:
    return task_pb2.TaskDefinition(task_id=task_id, name=task_id, description="x" * size)


async def go(client: Client, claim: worker_pb.Claim) -> None:
    record = worker_pb.SessionRecord(
        lease_id=claim.lease_id,
        session_id=f"s-{claim.task.task_id}",
        role=session_pb2.SESSION_ROLE_BUILDER,
        runner="command",
    )
    answer = await client.call("RecordSession", worker_pb.RecordSessionRequest(worker="w1", records=[record]))
    assert answer.answers[0].go


@pytest.mark.slow
async def test_on_a_full_disk_the_server_answers_kills_and_stops_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", "24m") as disk:
        async with server(disk / "state") as served:
            client = served.client()
            claims = client.claims(slots=2)
            await next_message(claims)
            await client.add(planned("a"), planned("b"))
            held: list[worker_pb.Claim] = []
            while len(held) < 2:
                held += (await next_message(claims)).claims
            for claim in held:
                await go(client, claim)
            ballast = fill(disk)

            full = await refusal(client.add(*(planned(f"t{n}", 20_000) for n in range(50))))
            killing = await client.call("KillTask", pb.KillTaskRequest(task_ids=["a"], cause="full"))
            stopped = await client.call("EmergencyStop", pb.EmergencyStopRequest(cause="full"))

            assert (full.code, full.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")
            assert full.message.endswith("nothing was changed")
            assert killing.tasks[0].status == task_pb2.TASK_STATUS_KILLING
            assert stopped.swarm.mode == swarm_pb2.SWARM_MODE_STOPPED
            listed = await client.call("ListTasks", pb.ListTasksRequest())
            assert {found.task_id for found in listed.tasks} == {"a", "b"}

            ballast.unlink()
            await client.call("ResumeSwarm", pb.ResumeSwarmRequest())
            await client.add(*(planned(f"t{n}", 20_000) for n in range(50)))
        assert read_content(disk / "state" / "swarm.db").faults == []


@pytest.mark.slow
async def test_the_reserve_is_enough_for_an_emergency_stop_of_a_thousand_running_tasks(
    tmp_path: Path,
) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker = await swarm.worker(slots=1_000)
        await swarm.add(*(task(f"t{number}", description="x" * 500) for number in range(1_000)))
        await worker.receive()
        for claim in worker.claims:
            assert await worker.start(claim) is None
        swarm.swarm.db._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)

        await swarm.swarm.db.write(lambda tx: swarm.swarm.control.emergency_stop(tx, "test"), urgent=True)

        assert 0 < (tmp_path / "swarm.db-wal").stat().st_size < RESERVE_BYTES


def test_a_reserve_takes_the_space_that_is_left_and_releases_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        reserve = DiskReserve(disk / "reserve")
        assert (disk / "reserve").stat().st_size == RESERVE_BYTES // 2

        assert reserve.release()
        assert not reserve.release()

        assert (disk / "reserve").stat().st_size == 0


async def test_a_group_refused_by_a_full_disk_leaves_no_worker_idle_afterwards(tmp_path: Path) -> None:
    """The claims of the refused group are undone in memory, so the worker is offered tasks again."""
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker = await swarm.worker(slots=1)
        db: Database = swarm.swarm.db
        pages = db._writer.pragma("page_count")
        db._writer.pragma("max_page_count", pages)
        plan = [task("a", description="x" * 100_000)]
        with pytest.raises(Exception, match="nothing was changed"):
            await swarm.add(*plan)
        db._writer.pragma("max_page_count", 1_000_000)

        await swarm.add(*plan)

        assert (await worker.claim("a")).number == 1


async def test_a_backoff_that_ends_on_a_full_disk_ends_when_there_is_room(tmp_path: Path) -> None:
    clock = FakeClock()
    async with engine_harness(tmp_path / "swarm.db", clock=clock) as swarm:
        worker = await swarm.worker()
        await swarm.add(task("a"))
        await worker.fail("a")
        db: Database = swarm.swarm.db
        write, full = db.write, [True]

        async def refuse(*args: object, **flags: object) -> object:
            if full[0]:
                raise StorageFull("test")
            return await write(*args, **flags)  # type: ignore[arg-type]

        db.write = refuse  # type: ignore[method-assign,assignment]
        clock.pass_s(10)
        for _ in range(5):
            await asyncio.sleep(0)
        full[0] = False

        await swarm.after_backoff()

        assert (await worker.claim("a")).number == 2


async def test_the_reaper_goes_on_when_a_full_disk_has_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(tmp_path, suspect_after=0.1) as served:
        rounds: list[str] = []

        async def check() -> None:
            rounds.append("full" if not rounds else "free")
            if rounds == ["full"]:
                raise StorageFull("test")

        with capture_logs() as logs:
            monkeypatch.setattr(served.swarm, "check_leases", check)
            await eventually(lambda: "free" in rounds, "the reaper runs again")

    assert [log["event"] for log in logs] == ["lease check postponed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "hint"),
    [("before the start", "check folder and disk"), ("while it serves", "check the disk, then start again")],
)
def test_a_disk_that_fails_to_sync_ends_the_server_with_one_line(
    tmp_path: Path, when: str, hint: str
) -> None:
    db = tmp_path / "state" / "swarm.db"
    db.parent.mkdir()
    opening.open_writer(db, vfs="unix").close()
    trigger = db.with_name("EMERGENCY_STOP")
    argv = [
        sys.executable,
        "-m",
        "disk.failing_swarmd",
        str(trigger),
        "--db",
        str(db),
        "--listen",
        "127.0.0.1:0",
    ]
    if when == "before the start":
        trigger.touch()
    process = subprocess.Popen(
        [*argv, "--log-level", "error"], env=environment() | {"PYTHONPATH": str(TESTS)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if when == "while it serves":
        assert process.stdout
        assert process.stdout.readline().startswith("swarmd ready ")
        trigger.touch()  # the stop is the write that fails

    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert said.count("\n") == 1, said
    assert said.startswith(f"swarmd: {'' if when == 'before the start' else 'writing '}{db}")
    assert said.endswith(f"; {hint}\n")
    assert read_content(db).faults == []
