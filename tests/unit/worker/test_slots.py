"""Whatever goes wrong in one attempt: the server is told, the lease goes, and the slot takes the next claim."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.masking import Mask
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from support.waiting import eventually
from swarm_worker.domain.model import Assignment, CheckResult, Outcome, OutcomeKind, SessionEnd
from swarm_worker.execution.factory import AttemptFactory
from swarm_worker.execution.slots import Slots
from swarm_worker.rpc.batcher import ItemRefused
from swarm_worker.rpc.leases import Leases
from swarm_worker.storage.outbox import Outbox
from swarm_worker.supervision.stop_signal import Stop

COMPLETED = Outcome(OutcomeKind.COMPLETED)


class Reporter:
    """A server that answers at once, or refuses."""

    def __init__(self) -> None:
        self.told: dict[str, task_pb2.Outcome] = {}
        self.refuses = False
        self.outcomes = self

    async def request(self, finished: wire.FinishedAttempt) -> wire.FinishResult:
        self.told[finished.lease_id] = finished.outcome
        if self.refuses:
            raise ItemRefused("no")
        return wire.FinishResult(disposition=wire.FINISH_DISPOSITION_ACCEPTED)


class Attempt:
    """Comes to an outcome, or breaks."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self.ends: list[Any] = []
        self.ended: list[SessionEnd] = []
        self._outcome = outcome

    async def run(self) -> Outcome:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Bench:
    """One slot; `attempts` makes each attempt, by its task."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leases, self.reporter = Leases(), Reporter()
        self.attempts: Callable[[str], Attempt] = lambda _task: Attempt(COMPLETED)
        self.slots = Slots(
            1, leases=self.leases, outbox=Outbox(folder), reporter=self.reporter,  # type: ignore[arg-type]
            attempts=lambda: AttemptFactory(self._make, Mask()), grace_s=1.0, freed=lambda: None,
        )  # fmt: skip

    def _make(self, assignment: Assignment, _stop: Stop) -> Any:
        return self.attempts(assignment.task.id)

    def take(self, task: str) -> None:
        claim = wire.Claim(
            task=task_pb2.TaskDefinition(task_id=task), lease_id=f"lease-{task}", attempt=1, epoch=1
        )
        self.slots.take(claim, accept=True)

    async def answered(self, task: str) -> task_pb2.Outcome:
        await eventually(lambda: not self.leases, "every lease is answered")
        return self.reporter.told[f"lease-{task}"]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(tmp_path)
    yield found
    await found.slots.close()


def cannot_be_made(_task: str) -> Attempt:
    raise RuntimeError("no place to work in")


FAULTS: dict[str, Callable[[str], Attempt]] = {
    "it can't be made": cannot_be_made,
    "it breaks": lambda _task: Attempt(RuntimeError("no place to work in")),
    "its outcome can't be sent": lambda _task: Attempt(
        Outcome(OutcomeKind.FAILED, checks=(CheckResult("no place to work in", 2**40, "", 0.0),))
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_attempt_that_goes_wrong_is_reported_and_frees_its_slot(bench: Bench, fault: str) -> None:
    bench.attempts = lambda task: FAULTS[fault](task) if task == "a" else Attempt(COMPLETED)

    bench.take("a")
    bench.take("b")

    assert (await bench.answered("b")).kind == task_pb2.OUTCOME_KIND_COMPLETED
    failed = bench.reporter.told["lease-a"]
    assert failed.failure_class == task_pb2.FAILURE_CLASS_AGENT_ERROR
    assert failed.error.startswith("fault of the worker: ")


async def test_an_end_that_can_t_be_recorded_does_not_keep_the_outcome_back(bench: Bench) -> None:
    async def fails() -> None:
        raise ValueError("no")

    def make(_task: str) -> Attempt:
        attempt = Attempt(COMPLETED)
        attempt.ends = [fails()]
        return attempt

    bench.attempts = make
    bench.take("a")

    assert (await bench.answered("a")).kind == task_pb2.OUTCOME_KIND_COMPLETED


@pytest.mark.parametrize("refuses", [False, True])
async def test_an_outbox_that_can_t_be_cleared_holds_no_lease(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, refuses: bool
) -> None:
    def fail(_lease_id: str) -> None:
        raise OSError("read-only file system")

    bench.reporter.refuses = refuses
    for method in ("remove", "set_aside"):
        monkeypatch.setattr(bench.slots._outbox, method, fail)

    bench.take("a")

    assert (await bench.answered("a")).kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert list(bench.folder.glob("*.outcome")), "a later life will send it once more"


@pytest.mark.parametrize("fault", [OSError("no space left"), RuntimeError("a bug")])
async def test_an_outbox_that_takes_nothing_keeps_neither_the_outcome_nor_the_slot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(_finished: object) -> None:
        raise fault

    monkeypatch.setattr(bench.slots._kept, "run", fail)

    bench.take("a")
    bench.take("b")

    for name in ("a", "b"):
        assert (await bench.answered(name)).kind == task_pb2.OUTCOME_KIND_COMPLETED
