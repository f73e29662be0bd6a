"""After any fault in an attempt the server gets an outcome, the lease is dropped and the slot is free again."""

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
    """A reporter to a server that answers at once or refuses."""

    def __init__(self) -> None:
        self.received: dict[str, task_pb2.Outcome] = {}
        self.refuses = False
        self.outcomes = self

    async def request(self, finished: wire.FinishedAttempt) -> wire.FinishResult:
        self.received[finished.lease_id] = finished.outcome
        if self.refuses:
            raise ItemRefused("no")
        return wire.FinishResult(disposition=wire.FINISH_DISPOSITION_ACCEPTED)


class Attempt:
    """An attempt that returns an outcome or raises."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self.end_reports: list[Any] = []
        self.unreported_ends: list[SessionEnd] = []
        self._outcome = outcome

    async def run(self) -> Outcome:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class SlotHarness:
    """A `Slots` with a single slot; `attempts` makes the attempt of each task."""

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

    def enqueue(self, task: str) -> None:
        claim = wire.Claim(
            task=task_pb2.TaskDefinition(task_id=task), lease_id=f"lease-{task}", attempt=1, epoch=1
        )
        self.slots.enqueue(claim, accept=True)

    async def answered(self, task: str) -> task_pb2.Outcome:
        await eventually(lambda: not self.leases, "every lease is answered")
        return self.reporter.received[f"lease-{task}"]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[SlotHarness]:
    found = SlotHarness(tmp_path)
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
async def test_an_attempt_that_goes_wrong_is_reported_and_frees_its_slot(
    harness: SlotHarness, fault: str
) -> None:
    harness.attempts = lambda task: FAULTS[fault](task) if task == "a" else Attempt(COMPLETED)

    harness.enqueue("a")
    harness.enqueue("b")

    assert (await harness.answered("b")).kind == task_pb2.OUTCOME_KIND_COMPLETED
    failed = harness.reporter.received["lease-a"]
    assert failed.failure_class == task_pb2.FAILURE_CLASS_AGENT_ERROR
    assert failed.error.startswith("fault of the worker: ")


async def test_a_failed_report_of_an_end_does_not_delay_the_outcome(harness: SlotHarness) -> None:
    async def fails() -> None:
        raise ValueError("no")

    def make(_task: str) -> Attempt:
        attempt = Attempt(COMPLETED)
        attempt.end_reports = [fails()]
        return attempt

    harness.attempts = make
    harness.enqueue("a")

    assert (await harness.answered("a")).kind == task_pb2.OUTCOME_KIND_COMPLETED


@pytest.mark.parametrize("refuses", [False, True])
async def test_an_outbox_that_can_t_be_cleared_holds_no_lease(
    harness: SlotHarness, monkeypatch: pytest.MonkeyPatch, *, refuses: bool
) -> None:
    def fail(_lease_id: str) -> None:
        raise OSError("read-only file system")

    harness.reporter.refuses = refuses
    for method in ("remove", "set_aside"):
        monkeypatch.setattr(harness.slots._outbox, method, fail)

    harness.enqueue("a")

    assert (await harness.answered("a")).kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert list(harness.folder.glob("*.outcome")), "the next process will send it again"


@pytest.mark.parametrize("fault", [OSError("no space left"), RuntimeError("a bug")])
async def test_an_outbox_that_can_t_be_written_loses_neither_the_outcome_nor_the_slot(
    harness: SlotHarness, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(_finished: object) -> None:
        raise fault

    monkeypatch.setattr(harness.slots._outbox_writes, "run", fail)

    harness.enqueue("a")
    harness.enqueue("b")

    for name in ("a", "b"):
        assert (await harness.answered(name)).kind == task_pb2.OUTCOME_KIND_COMPLETED
