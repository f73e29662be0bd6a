"""A real worker keeps its leases, obeys orders to end them, and delivers every outcome once."""

import signal
from collections import Counter
from pathlib import Path

import grpc
import pytest

from amplifier_swarm.exits import ExitCode
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.process_tree import STYLES, Ledger
from fakes.swarm_server import Address, FakeSwarm, WorkerProcess, claim, stop
from support.waiting import eventually
from swarm_worker.guard.containment import strongest

pytestmark = pytest.mark.slow

STAYS = (
    'echo "$SWARM_TASK_ID" >> started; while [ ! -e go ]; do sleep 0.02; done; echo "$SWARM_TASK_ID" >> ended'
)


def _lines(worker: WorkerProcess, name: str) -> list[str]:
    file = worker.project / name
    return file.read_text("ascii").split() if file.exists() else []


def _kind(fake: FakeSwarm, lease_id: str) -> str:
    return task_pb2.OutcomeKind.Name(fake.outcomes[lease_id].kind).removeprefix("OUTCOME_KIND_")


async def _registered(fake: FakeSwarm, worker: WorkerProcess) -> None:
    await worker.until(lambda: fake.registered, what="it registers")


async def _logged(worker: WorkerProcess, text: str) -> None:
    await eventually(lambda: text in worker.err, f"it says {text!r}")


async def test_heartbeats_list_every_lease_while_sessions_run(fake: FakeSwarm, worker: WorkerProcess) -> None:
    worker.start("--slots", "2", builder=worker.script("b.sh", STAYS))
    await _registered(fake, worker)

    fake.send(claims=[claim("a"), claim("b")])

    await worker.until(lambda: fake.held == {"a", "b"}, what="both are in a beat")
    assert (fake.beats[-1].worker, fake.beats[-1].incarnation) == ("w1", fake.registered[0].incarnation)
    assert fake.beats[-1].phase == wire.WORKER_PHASE_ACTIVE
    (worker.project / "go").touch()
    await worker.until(lambda: len(fake.outcomes) == 2, what="both are done")
    await worker.until(lambda: fake.held == set(), what="neither is in a beat")


async def test_more_claims_than_slots_wait_for_one_and_a_known_claim_changes_nothing(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start("--slots", "2", builder=worker.script("b.sh", STAYS))
    await _registered(fake, worker)

    fake.send(claims=[claim(name) for name in "abcd"])
    fake.send(claims=[claim("a"), claim("c")])
    await worker.until(lambda: fake.held == set("abcd"), what="all are held")
    await worker.until(lambda: len(_lines(worker, "started")) == 2, what="two have started")
    beats = len(fake.beats)
    await worker.until(lambda: len(fake.beats) > beats + 2, what="time passes")

    assert _lines(worker, "started") == ["a", "b"] or _lines(worker, "started") == ["b", "a"]
    (worker.project / "go").touch()
    await worker.until(lambda: len(fake.outcomes) == 4, what="all are done")
    assert Counter(_lines(worker, "ended")) == Counter("abcd")
    assert Counter(item.lease_id for item in fake.finished) == Counter("abcd")


@pytest.mark.parametrize("way", ["heartbeat", "stream"])
async def test_an_order_ends_the_tree_and_is_answered_with_a_receipt(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger, way: str
) -> None:
    worker.start(builder=" ".join(ledger.argv("every")))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")

    if way == "heartbeat":
        fake.end_stream()
        fake.failing["ClaimTask"] = grpc.StatusCode.UNAVAILABLE
        fake.orders.append(stop("t1"))
    else:
        fake.failing["Heartbeat"] = grpc.StatusCode.UNAVAILABLE
        fake.send(orders=[stop("t1"), stop("nobody's")])

    await worker.until(lambda: fake.outcomes, what="an outcome")
    assert ledger.alive() == []
    assert (_kind(fake, "t1"), fake.outcomes["t1"].interrupted) == ("STOPPED", False)
    receipt = fake.outcomes["t1"].kill_receipt
    assert (receipt.containment, receipt.survivors) == (strongest().level, 0)
    assert receipt.processes_found >= 5
    assert receipt.terminated >= receipt.killed > 0
    assert receipt.duration.ToMicroseconds() > 0


@pytest.mark.parametrize("action", [wire.ORDER_ACTION_STOP_NOW, wire.ORDER_ACTION_ABANDON])
async def test_an_order_without_grace_is_reported_too(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger, action: wire.OrderAction.ValueType
) -> None:
    fake.disposition = wire.FINISH_DISPOSITION_ARCHIVED
    worker.start("--kill-grace", "600", builder=" ".join(ledger.argv("deaf")))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: ledger.signed == 2, what="the tree stands")

    fake.orders.append(stop("t1", action))

    await worker.until(lambda: fake.outcomes, what="an outcome")
    assert ledger.alive() == []
    assert fake.outcomes["t1"].kill_receipt.terminated == 0
    await worker.until(lambda: fake.held == set(), what="an archived outcome is an answer")
    assert list((worker.state / "w1" / "outbox").iterdir()) == []


async def test_without_a_go_no_process_exists(fake: FakeSwarm, worker: WorkerProcess) -> None:
    orders = {"killed": stop("killed"), "paused": None}
    fake.go = lambda record: wire.SessionAnswer(go=False, order=orders[record.lease_id])
    worker.start("--slots", "2", builder="touch never")
    await _registered(fake, worker)

    fake.send(claims=[claim("killed"), claim("paused")])

    await worker.until(lambda: len(fake.outcomes) == 2, what="both are answered")
    assert _kind(fake, "killed") == "STOPPED"
    assert fake.outcomes["killed"].kill_receipt.containment == "none"
    assert _kind(fake, "paused") == "DECLINED"
    assert not (worker.project / "never").exists()
    assert fake.ends == []


async def test_a_claim_without_a_slot_is_ended_by_an_order_at_once(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start(builder=worker.script("b.sh", STAYS))
    await _registered(fake, worker)
    fake.send(claims=[claim("runs"), claim("waits")])
    await worker.until(lambda: _lines(worker, "started"), what="one has started")

    fake.send(orders=[stop("waits")])

    await worker.until(lambda: fake.outcomes, what="an outcome")
    assert list(fake.outcomes) == ["waits"]
    assert _kind(fake, "waits") == "STOPPED"


async def test_a_worker_without_answers_ends_its_sessions_itself(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger
) -> None:
    fake.stop_after_s = 1.5
    worker.start(builder=" ".join(ledger.argv("every")))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")

    fake.failing["Heartbeat"] = grpc.StatusCode.UNAVAILABLE

    await worker.until(lambda: fake.outcomes, what="an outcome")
    assert ledger.alive() == []
    assert _kind(fake, "t1") == "STOPPED"


async def test_sessions_outlast_a_server_that_is_away_and_their_outcome_arrives(
    fake: FakeSwarm, worker: WorkerProcess, address: Address
) -> None:
    worker.start(builder=worker.script("b.sh", STAYS))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: _lines(worker, "started"), what="it has started")

    await address.down()
    (worker.project / "go").touch()
    await worker.until(
        lambda: list((worker.state / "w1" / "outbox").glob("*.outcome")), what="the outcome is kept"
    )
    await address.up()

    await worker.until(lambda: fake.outcomes, what="the outcome arrives")
    await worker.until(lambda: len(fake.registered) == 2, what="it registers again")
    assert _kind(fake, "t1") == "COMPLETED"
    assert len(fake.finished) == 1
    assert [end.end.exit_code for end in fake.ends] == [0]
    assert fake.registered[1].incarnation == fake.registered[0].incarnation
    await worker.until(lambda: "answers again" in worker.err, what="it says so")
    assert worker.err.count("retrying until it does") == 1


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    ],
)
async def test_a_stream_that_ends_is_reopened_with_the_leases_held(
    fake: FakeSwarm, worker: WorkerProcess, code: grpc.StatusCode
) -> None:
    worker.start(builder=worker.script("b.sh", STAYS))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: _lines(worker, "started"), what="it has started")

    fake.failing["ClaimTask"] = code
    fake.end_stream()
    beats = len(fake.beats)
    await worker.until(lambda: len(fake.beats) > beats + 1, what="time passes")
    del fake.failing["ClaimTask"]

    await worker.until(lambda: len(fake.registered) == 2, what="it registers again")
    assert list(fake.registered[1].lease_ids) == ["t1"]
    assert fake.registered[1].opening > fake.registered[0].opening > 0, "the requests tell which came first"
    assert worker.out.count("ready") == 1


async def test_an_outcome_in_the_outbox_of_a_killed_worker_is_delivered_once_by_the_next(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    fake.failing["FinishTask"] = grpc.StatusCode.UNAVAILABLE
    outbox = worker.state / "w1" / "outbox"
    worker.start(builder="true")
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: list(outbox.glob("*.outcome")), what="the outcome is kept")

    worker.end()
    fake.failing.clear()
    worker.start(builder="true")

    await worker.until(lambda: fake.outcomes, what="the outcome arrives")
    await worker.until(lambda: len(fake.registered) == 2 and fake.held == set(), what="it is answered")
    await worker.until(lambda: not list(outbox.iterdir()), what="the outbox is empty")
    assert _kind(fake, "t1") == "COMPLETED"
    assert len(fake.finished) == 1
    first, second = fake.registered
    assert first.instance == second.instance
    assert first.incarnation != second.incarnation


async def test_the_lease_of_an_outcome_in_the_outbox_counts_as_held(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    fake.failing["FinishTask"] = grpc.StatusCode.UNAVAILABLE
    worker.start(builder="true")
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: list((worker.state / "w1" / "outbox").glob("*.outcome")), what="it is kept")
    worker.end()
    beats = len(fake.beats)

    worker.start(builder="true")

    await worker.until(lambda: len(fake.registered) == 2, what="it registers again")
    await worker.until(lambda: len(fake.beats) > beats, what="it beats")
    assert list(fake.registered[1].lease_ids) == ["t1"]
    assert fake.held == {"t1"}


async def test_no_session_outlives_a_killed_worker_and_the_next_worker_waits_for_its_end(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger
) -> None:
    worker.start("--kill-grace", "1.5", builder=" ".join(ledger.argv("every")))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")

    worker.end()
    worker.start()
    await eventually(ledger.alive, "the deaf ones live on for the grace period")
    await worker.until(lambda: len(fake.registered) == 2, what="the next one registers")

    assert ledger.alive() == []
    assert list(fake.registered[1].lease_ids) == []


async def test_an_order_during_the_checks_ends_them(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger
) -> None:
    worker.start(builder="true")
    await _registered(fake, worker)
    fake.send(claims=[claim("t1", checks=["echo first", " ".join(ledger.argv("every")), "touch never"])])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")

    fake.send(orders=[stop("t1")])

    await worker.until(lambda: fake.outcomes, what="an outcome")
    assert ledger.alive() == []
    assert _kind(fake, "t1") == "STOPPED"
    assert [check.command for check in fake.outcomes["t1"].checks] == ["echo first"]
    assert fake.outcomes["t1"].kill_receipt.killed > 0
    assert not (worker.project / "never").exists()


async def test_an_outcome_that_the_server_refuses_is_not_sent_forever(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    fake.failing["RecordSession"] = grpc.StatusCode.INVALID_ARGUMENT
    worker.start(builder="touch never")
    await _registered(fake, worker)

    fake.send(claims=[claim("t1")])
    await worker.until(lambda: fake.outcomes, what="an outcome")
    assert fake.outcomes["t1"].failure_class == task_pb2.FAILURE_CLASS_AGENT_ERROR
    assert not (worker.project / "never").exists()

    fake.failing = {"FinishTask": grpc.StatusCode.INVALID_ARGUMENT}
    fake.send(claims=[claim("t2")])
    outbox = worker.state / "w1" / "outbox"
    await worker.until(lambda: list(outbox.glob("*.refused")), what="it is set aside")
    await worker.until(lambda: fake.held == set(), what="its lease is let go")
    assert list(outbox.glob("*.outcome")) == []


async def test_a_worker_stops_on_a_signal_without_the_server(
    fake: FakeSwarm, worker: WorkerProcess, address: Address, ledger: Ledger
) -> None:
    worker.start("--kill-grace", "600", builder=" ".join(ledger.argv("every")))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")
    await address.down()

    for said in ("phase=stopping", "phase=forcing"):
        worker.signal(signal.SIGINT)
        await _logged(worker, said)
    await worker.until(lambda: not ledger.alive(), what="the sessions have ended")
    await worker.until(lambda: list((worker.state / "w1" / "outbox").glob("*.outcome")), what="it is kept")
    worker.signal(signal.SIGINT)

    assert await worker.exit_code() == ExitCode.OK
    assert "Traceback" not in worker.err


async def test_a_wrong_token_ends_it_at_once(fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong", encoding="ascii")
    worker.start()

    assert await worker.exit_code() == ExitCode.UNAUTHENTICATED
    last = worker.err.splitlines()[-1]
    assert last.startswith("swarm-worker: the server does not accept the token: no such token; ")
    assert "Traceback" not in worker.err
    assert worker.out == ""


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, ExitCode.DENIED),
        (grpc.StatusCode.INVALID_ARGUMENT, ExitCode.USAGE),
    ],
)
async def test_a_worker_that_the_server_never_accepts_ends(
    fake: FakeSwarm, worker: WorkerProcess, code: grpc.StatusCode, end: ExitCode
) -> None:
    fake.failing["ClaimTask"] = code
    worker.start()

    assert await worker.exit_code() == end


async def test_a_token_revoked_while_sessions_run_ends_them_and_keeps_their_outcome(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger
) -> None:
    worker.start(builder=" ".join(ledger.argv("every")))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")

    fake.failing["Heartbeat"] = grpc.StatusCode.UNAUTHENTICATED

    assert await worker.exit_code() == ExitCode.UNAUTHENTICATED
    assert ledger.alive() == []
    assert len(list((worker.state / "w1" / "outbox").glob("*.outcome"))) == 1


async def test_sigterm_drains(fake: FakeSwarm, worker: WorkerProcess) -> None:
    worker.start(builder=worker.script("b.sh", STAYS))
    await _registered(fake, worker)
    fake.send(claims=[claim("runs"), claim("waits")])
    await worker.until(lambda: _lines(worker, "started"), what="one has started")

    worker.signal(signal.SIGTERM)

    await worker.until(lambda: fake.beats[-1].phase == wire.WORKER_PHASE_DRAINING, what="it says so")
    await worker.until(lambda: "waits" in fake.outcomes, what="what waits is given back")
    fake.send(claims=[claim("late")])
    await worker.until(lambda: "late" in fake.outcomes, what="a late claim is given back")
    (worker.project / "go").touch()
    assert await worker.exit_code() == ExitCode.OK
    assert [_kind(fake, name) for name in ("waits", "late", "runs")] == ["DECLINED", "DECLINED", "COMPLETED"]
    assert fake.beats[-1].phase == wire.WORKER_PHASE_LEAVING
    assert fake.held == set()


@pytest.mark.parametrize("signals", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM]])
async def test_a_second_sigterm_a_sigint_or_the_deadline_of_a_drain_ends_the_sessions_and_reports(
    fake: FakeSwarm, worker: WorkerProcess, ledger: Ledger, signals: list[signal.Signals]
) -> None:
    deadline = "0.2" if signals == [signal.SIGTERM] else "600"
    worker.start("--drain-deadline", deadline, builder=" ".join(ledger.argv("every")))
    await _registered(fake, worker)
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: ledger.signed >= STYLES["every"], what="the tree stands")

    for number, sent in enumerate(signals):
        worker.signal(sent)
        said = "draining: accepting no new tasks" if number + 1 < len(signals) else "ending the sessions"
        await _logged(worker, said)

    assert await worker.exit_code() == ExitCode.OK
    assert ledger.alive() == []
    assert (_kind(fake, "t1"), fake.outcomes["t1"].interrupted) == ("STOPPED", True)


async def test_the_server_can_drain_a_worker(fake: FakeSwarm, worker: WorkerProcess) -> None:
    worker.start()
    await _registered(fake, worker)

    fake.notice = wire.SwarmNotice(drain=True)

    assert await worker.exit_code() == ExitCode.OK
    assert fake.beats[-1].phase == wire.WORKER_PHASE_LEAVING


async def test_a_worker_leaves_a_finished_swarm_only_with_exit_when_done(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start(builder=worker.script("b.sh", STAYS))
    await _registered(fake, worker)
    fake.send(notice=wire.SwarmNotice(done=True))
    beats = len(fake.beats)
    await worker.until(lambda: len(fake.beats) > beats + 2, what="it goes on")
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == ExitCode.OK

    worker.start("--exit-when-done", builder=worker.script("b.sh", STAYS))
    await worker.until(lambda: len(fake.registered) == 2, what="it registers")
    fake.send(claims=[claim("t1")], notice=wire.SwarmNotice(done=True))
    await worker.until(lambda: _lines(worker, "started"), what="what it holds is finished first")
    (worker.project / "go").touch()

    assert await worker.exit_code() == ExitCode.OK
    assert _kind(fake, "t1") == "COMPLETED"


async def test_a_name_in_use_is_a_conflict(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path, address: Address
) -> None:
    worker.start()
    await _registered(fake, worker)
    second = WorkerProcess(tmp_path / "second", address.text)
    second.state = worker.state

    second.start()
    try:
        assert await second.exit_code() == ExitCode.CONFLICT
    finally:
        second.end()

    said = f"swarm-worker: a worker named 'w1' runs here already (pid {worker.pid})"
    assert second.err.splitlines()[-1].startswith(said)
