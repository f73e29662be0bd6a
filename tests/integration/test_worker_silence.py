"""A real worker without its server or without a task: it fences what must not run twice, obeys a file, and leaves."""

import os
import signal
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.exits import ExitCode
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.process_tree import STYLES, Ledger
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, stop
from support.waiting import eventually
from swarm_worker.guard.procfs import children_lookup

pytestmark = pytest.mark.slow

KEEP = task_pb2.DISCONNECT_POLICY_KEEP
STAYS = 'echo "$SWARM_TASK_ID" >> started; while [ ! -e go ]; do sleep 0.02; done'


def _started(worker: WorkerProcess) -> int:
    file = worker.project / "started"
    return len(file.read_text("ascii").split()) if file.exists() else 0


def _pids(worker: WorkerProcess) -> list[int]:
    return [int(pid) for pid in (worker.project / "pids").read_text("ascii").split()]


def _kinds(fake: FakeSwarm) -> dict[str, str]:
    name = task_pb2.OutcomeKind.Name
    return {
        lease: name(outcome.kind).removeprefix("OUTCOME_KIND_") for lease, outcome in fake.outcomes.items()
    }


async def test_a_silent_server_fences_every_session_except_kept_ones(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    fake.stop_after_s = 1.5
    worker.start("--slots", "2", builder=worker.script("b.sh", STAYS))
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("kept", on_disconnect=KEEP), claim("fenced")])
    await worker.until(lambda: _started(worker) == 2, what="both have started")

    fake.failing["Heartbeat"] = grpc.StatusCode.UNAVAILABLE
    await worker.until(lambda: fake.outcomes, what="an outcome")

    assert _kinds(fake) == {"fenced": "STOPPED"}
    del fake.failing["Heartbeat"]
    await worker.until(lambda: fake.held == {"kept"}, what="the other one is held still")
    (worker.project / "go").touch()
    await worker.until(lambda: len(fake.outcomes) == 2, what="it is done")
    assert _kinds(fake)["kept"] == "COMPLETED"


async def test_a_kept_session_still_ends_with_its_worker(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger
) -> None:
    worker.start(builder=" ".join(ledger.argv("every")))
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("kept", on_disconnect=KEEP)])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")

    worker.end()
    worker.start()
    await worker.until(lambda: len(fake.registered) == 2, what="the next one registers")

    assert ledger.alive() == []


async def test_a_session_that_ended_before_an_order_arrived_is_reported_as_it_ended(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    """Covers a fault that the chaos run found: a paused worker reported finished work as stopped."""
    worker.start(builder=worker.script("b.sh", STAYS))
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("a")])
    await worker.until(lambda: _started(worker), what="it runs")
    [fork_server] = children_lookup()(worker.pid)
    [guard] = children_lookup()(fork_server)

    worker.signal(signal.SIGSTOP)
    (worker.project / "go").touch()
    await eventually(lambda: not children_lookup()(guard), "the session has ended, and its guard knows it")
    fake.send(orders=[stop("a")])
    worker.signal(signal.SIGCONT)

    await worker.until(lambda: fake.outcomes, what="it is done")
    assert _kinds(fake) == {"a": "COMPLETED"}


@pytest.mark.parametrize("folder", ["", "w1"])
async def test_a_stop_file_ends_sessions_without_grace_and_blocks_claims_until_it_is_gone(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger, folder: str
) -> None:
    worker.start("--kill-grace", "600", builder=" ".join(ledger.argv("deaf")))
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("runs"), claim("waits")])
    await worker.until(lambda: ledger.signed == STYLES["deaf"], what="the tree stands")

    file = worker.state / folder / "EMERGENCY_STOP"
    file.touch()
    await worker.until(lambda: len(fake.outcomes) == 2, what="both are answered")

    assert _kinds(fake) == {"waits": "DECLINED", "runs": "STOPPED"}
    assert fake.outcomes["runs"].kill_receipt.terminated == 0
    assert ledger.alive() == []
    beats = len(fake.beats)
    await worker.until(lambda: len(fake.beats) > beats + 3, what="time passes")
    assert len(fake.registered) == 1
    file.unlink()
    await worker.until(lambda: len(fake.registered) == 2, what="it takes claims again")
    fake.send(claims=[claim("later")])
    await worker.until(lambda: ledger.signed == 2 * STYLES["deaf"], what="a session starts")
    file.touch()
    await worker.until(lambda: not ledger.alive(), what="and is ended like the first")


async def test_a_worker_that_starts_under_the_stop_file_waits_and_logs_why(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.state.mkdir(mode=0o700)
    file = worker.state / "EMERGENCY_STOP"
    file.touch()

    worker.start()
    await worker.until(lambda: "emergency stop: nothing runs here" in worker.err, what="it says so")
    assert fake.registered == []
    file.unlink()

    await worker.until(lambda: fake.registered, what="it registers")


async def test_containment_that_does_not_exist_is_a_usage_error(worker: WorkerProcess) -> None:
    worker.start("--containment", "jail")

    assert await worker.exit_code() == 2
    assert "--containment" in worker.err


async def test_a_session_that_ends_by_the_signal_of_its_worker_has_not_failed(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start("--slots", "2", builder=worker.script("b.sh", f"echo $$ >> pids; {STAYS}"))
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: _started(worker) == 1, what="it works")
    [first] = _pids(worker)
    os.kill(first, signal.SIGTERM)
    await worker.until(lambda: "t1" in fake.outcomes, what="the outcome is there")
    fake.send(claims=[claim("t2")])
    await worker.until(lambda: _started(worker) == 2, what="it works on the next")

    worker.signal(signal.SIGTERM)
    await worker.until(lambda: "draining" in worker.err, what="it has its signal")
    os.kill(_pids(worker)[-1], signal.SIGTERM)

    assert await worker.exit_code() == ExitCode.OK
    assert _kinds(fake) == {"t1": "FAILED", "t2": "STOPPED"}


async def test_a_worker_without_a_task_leaves_after_its_limit_and_tells_the_server(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start("--exit-when-idle", "0.3", builder=worker.script("b.sh", STAYS))
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: _started(worker), what="it works")
    beats = len(fake.beats)
    await worker.until(lambda: len(fake.beats) > beats + 5, what="it goes on as long as the task does")
    (worker.project / "go").touch()

    assert await worker.exit_code() == ExitCode.OK
    assert _kinds(fake) == {"t1": "COMPLETED"}
    assert fake.beats[-1].phase == wire.WORKER_PHASE_LEAVING
    assert "leaving: there was no task" in worker.err


async def test_a_worker_that_no_server_answers_ends_with_code_5_after_its_limit(tmp_path: Path) -> None:
    alone = WorkerProcess(tmp_path, "127.0.0.1:9")

    alone.start("--exit-when-idle", "0.3")
    try:
        assert await alone.exit_code() == ExitCode.UNREACHABLE
    finally:
        alone.end()

    assert alone.err.splitlines()[-1].startswith("swarm-worker: 127.0.0.1:9 has not answered for 0.3 s; ")
