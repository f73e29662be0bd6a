"""Workers of a run that die: the time and the name of each restart."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from amplifier_swarm.exits import ExitCode
from amplifier_swarm.v1 import operator_service_pb2 as wire
from fakes.operator_server import RUN, FakeOperatorServer
from support.programs import alive
from support.waiting import until
from swarmctl.parent_death import NOT_STARTED
from swarmctl.run.restart_policy import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    STABLE_AFTER_S,
    TRIES,
    RestartPolicy,
    worth_a_restart,
)
from unit.client.conftest import Ctl

# Dies that often, and then works; each start is one line of `workers.calls`.
DIES = "[ $(grep -c -- '--name worker-1' {folder}/workers.calls) -gt {times} ] || kill -9 $$"
FAILS = "{ echo 'swarm-worker: no luck' >&2; exit 1; }"
KILLED = -9
ONE = ("run", "plan.yaml", "--db", "state/swarm.db", "--workers", "1")


def test_d18_a_worker_that_dies_again_and_again_waits_longer_each_time() -> None:
    restarts, now_s, waits = RestartPolicy(chance=lambda: 1.0), 0.0, []

    for _ in range(9):
        restarts.record_start("w", now_s)
        wait_s = restarts.schedule("w", now_s, KILLED)
        assert wait_s is not None
        waits.append(wait_s)
        now_s += wait_s
        assert restarts.pop_due(now_s - 0.01) == []
        assert restarts.pop_due(now_s) == ["w"]

    assert waits == [FIRST_WAIT_S, 2, 4, 8, 16, 32, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]


def test_d18_no_number_of_deaths_is_too_large() -> None:
    restarts = RestartPolicy(chance=lambda: 1.0)
    restarts.record_start("w", 0.0)

    waits = {restarts.schedule("w", 0.0, KILLED) for _ in range(5_000)}

    assert waits == {FIRST_WAIT_S, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_WAIT_S}


def test_a_wait_is_anything_up_to_its_longest() -> None:
    chances = iter([0.0, 0.5, 0.25])
    restarts = RestartPolicy(chance=lambda: next(chances))
    restarts.record_start("w", 0.0)

    assert [restarts.schedule("w", 0.0, KILLED) for _ in range(3)] == [0.0, 1.0, 1.0]


def test_a_worker_that_has_lived_for_long_starts_a_new_count() -> None:
    restarts = RestartPolicy(chance=lambda: 1.0)
    restarts.record_start("w", 0.0)
    assert [restarts.schedule("w", 1.0, KILLED), restarts.schedule("w", 1.0, KILLED)] == [1.0, 2.0]

    restarts.record_start("w", 10.0)
    assert restarts.schedule("w", 10.0 + STABLE_AFTER_S - 0.1, KILLED) == 4.0
    restarts.record_start("w", 100.0)
    assert restarts.schedule("w", 100.0 + STABLE_AFTER_S, KILLED) == 1.0


@pytest.mark.parametrize("code", [1, -11])
def test_a_worker_that_keeps_ending_by_itself_is_given_up(code: int) -> None:
    restarts = RestartPolicy(chance=lambda: 1.0)
    restarts.record_start("w", 0.0)

    waits = [restarts.schedule("w", 0.0, code) for _ in range(TRIES)]

    assert waits == [1.0, 2.0, 4.0, 8.0, None]
    assert restarts.pop_due(8.0) == ["w"]
    assert restarts.next_due_s is None


def test_neither_deaths_from_outside_nor_those_of_a_stable_worker_use_up_its_tries() -> None:
    restarts = RestartPolicy(chance=lambda: 1.0)
    restarts.record_start("w", 0.0)

    assert None not in {restarts.schedule("w", 0.0, KILLED) for _ in range(3 * TRIES)}
    assert None not in {restarts.schedule("w", 0.0, 1) for _ in range(TRIES - 1)}
    assert None not in {restarts.schedule("w", STABLE_AFTER_S, 1) for _ in range(3 * TRIES)}


def test_each_worker_has_its_own_count_and_the_earliest_is_next() -> None:
    restarts = RestartPolicy(chance=lambda: 1.0)
    for name in ("a", "b"):
        restarts.record_start(name, 0.0)

    restarts.schedule("a", 0.0, KILLED)
    restarts.schedule("a", 0.0, KILLED)
    restarts.schedule("b", 0.5, KILLED)

    assert restarts.next_due_s == 1.5
    assert restarts.pop_due(1.5) == ["b"]
    assert restarts.next_due_s == 2.0


def test_a_cancelled_restart_is_never_due() -> None:
    restarts = RestartPolicy(chance=lambda: 1.0)
    restarts.record_start("w", 0.0)
    restarts.schedule("w", 0.0, KILLED)

    restarts.cancel_all()

    assert (restarts.next_due_s, restarts.pop_due(100.0)) == (None, [])


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (ExitCode.OK, False),
        (ExitCode.USAGE, False),
        (ExitCode.DENIED, False),
        (ExitCode.UNAUTHENTICATED, False),
        (NOT_STARTED, False),
        (ExitCode.NEGATIVE, True),
        (ExitCode.CONFLICT, True),
        (-9, True),
        (-11, True),
    ],
)
def test_only_an_end_that_another_start_may_better_is_worth_one(code: int, *, again: bool) -> None:
    assert worth_a_restart(code) is again


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the length of every wait of a run."""

    def choose(wait_s: float) -> None:
        monkeypatch.setattr("swarmctl.run.restart_policy.FIRST_WAIT_S", wait_s)
        monkeypatch.setattr("swarmctl.run.restart_policy.LONGEST_WAIT_S", wait_s)
        monkeypatch.setattr("swarmctl.run.workers.RestartPolicy", lambda: RestartPolicy(chance=lambda: 1.0))

    return choose


def complete_when(fake: FakeOperatorServer, condition: Callable[[], object], what: str) -> None:
    """Completes all tasks as soon as the condition holds."""

    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        if request.follow:
            until(condition, what)
        yield from fake.complete(request)

    fake.operator.answers["WatchEvents"] = watch


def test_d18_a_worker_that_died_comes_back_under_its_name_and_with_its_state(
    alone: Ctl, fake: FakeOperatorServer, waits: Callable[[float], None]
) -> None:
    waits(0.05)
    fake.write(worker=DIES.format(folder=fake.folder, times=3))
    complete_when(fake, lambda: len(fake.calls("workers")) == 4, "it has died three times")

    result = alone(*ONE)

    assert result.code == 0
    calls = fake.calls("workers")
    assert len({call[0] for call in calls}) == 4, "each a process of its own"
    assert len({tuple(call[1:]) for call in calls}) == 1, "the same name, the same folder, the same flags"
    notes = [line for line in result.err.splitlines() if "again" in line]
    log = fake.folder / "state" / "logs" / "worker-1.log"
    assert notes == [f"swarmctl: worker-1 was ended by SIGKILL; see {log}; starting it again in 0.1 s"] * 3


def test_a_worker_that_fails_comes_back_and_its_last_line_is_printed_each_time(
    alone: Ctl, fake: FakeOperatorServer, waits: Callable[[float], None]
) -> None:
    waits(0.05)
    fake.write(worker=DIES.format(folder=fake.folder, times=2).replace("kill -9 $$", FAILS))
    complete_when(fake, lambda: len(fake.calls("workers")) == 3, "it has failed twice")

    result = alone(*ONE)

    assert result.code == 0
    notes = [line for line in result.err.splitlines() if "again" in line]
    line = "swarmctl: worker-1 ended with exit code 1: swarm-worker: no luck; starting it again in 0.1 s"
    assert notes == [line] * 2


def test_a_run_whose_workers_always_fail_gives_them_up_and_says_what_to_do(
    alone: Ctl, fake: FakeOperatorServer, waits: Callable[[float], None]
) -> None:
    waits(0.05)
    fake.write(worker=FAILS)
    fake.operator.answers["WatchEvents"] = lambda request: fake.happen() if request.follow else ()

    result = alone(*RUN)

    assert (result.code, len(fake.calls("workers"))) == (1, 2 * TRIES)
    lines = result.err.splitlines()
    for name in ("worker-1", "worker-2"):
        given_up = (
            f"swarmctl: {name} ended with exit code 1: swarm-worker: no luck; given up after 5 such ends"
        )
        assert lines.count(given_up) == 1
    logs = fake.folder / "state" / "logs"
    assert lines[-2] == (
        f"swarmctl: all workers have ended with work left; see {logs}; the same command goes on from here"
    )


def test_a_worker_that_waits_for_its_restart_does_not_keep_a_run_that_is_done(
    alone: Ctl, fake: FakeOperatorServer, waits: Callable[[float], None]
) -> None:
    waits(10_000)
    fake.write(worker='case "$*" in *worker-1*) kill -9 $$;; esac')
    complete_when(fake, lambda: len(dead(fake)) == 1, "one has died")

    result = alone(*RUN)

    assert (result.code, len(fake.calls("workers"))) == (0, 2)


def test_a_worker_that_dies_after_an_interrupt_stays_dead(
    alone: Ctl, fake: FakeOperatorServer, waits: Callable[[float], None]
) -> None:
    waits(0)
    fake.write(worker="trap 'kill -9 $$' TERM")

    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        if request.follow:
            until(lambda: len(fake.calls("workers")) == 2, "both workers run")
            os.kill(os.getpid(), signal.SIGINT)
            yield from fake.happen()

    fake.operator.answers["WatchEvents"] = watch

    result = alone(*RUN)

    assert (result.code, len(fake.calls("workers"))) == (1, 2)
    assert "again in" not in result.err


def test_an_interrupt_ends_a_run_all_of_whose_workers_wait_for_their_restart(
    alone: Ctl, fake: FakeOperatorServer, waits: Callable[[float], None]
) -> None:
    waits(10_000)
    fake.write(worker="kill -9 $$")

    def watch(request: wire.WatchEventsRequest) -> Iterator[wire.WatchEventsResponse]:
        if request.follow:
            until(lambda: len(dead(fake)) == 2, "both have died")
            os.kill(os.getpid(), signal.SIGINT)
            yield from fake.happen()

    fake.operator.answers["WatchEvents"] = watch

    result = alone(*RUN)

    assert (result.code, len(fake.calls("workers"))) == (1, 2)
    assert fake.ends("swarmd") == 1


def dead(fake: FakeOperatorServer) -> list[int]:
    """Returns the workers that have ended."""
    return [int(call[0]) for call in fake.calls("workers") if not alive(int(call[0]))]
