"""The audit of a chaos run: the database, its events and the sessions' ledger must agree.

Invariant: it reads only after everything has ended, and trusts none of the three alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from chaos.sessions import ChaosLedger
from support.plans import Plan

_ATTEMPTS = """
SELECT t.task_id, a.number, w.name, a.outcome, a.failure_class, a.started_us IS NOT NULL, a.claimed_us / 1e6,
       a.ended_us / 1e6, (SELECT count(*) FROM sessions s WHERE s.attempt_key = a.key),
       (SELECT count(*) FROM late_results r WHERE r.attempt_key = a.key)
  FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
 ORDER BY t.key, a.number
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of `attempts` with its session and result counts."""

    task: str
    number: int
    worker: str
    outcome: str
    failure: str | None
    started: bool
    claimed_s: float
    ended_s: float
    sessions: int
    late_results: int

    @property
    def name(self) -> tuple[str, int]:
        return self.task, self.number

    @property
    def lost(self) -> bool:
        """Returns whether the attempt ended for no reason of the task's own."""
        return self.outcome in ("lost", "released") or self.failure == "worker_lost"


@dataclass(frozen=True, slots=True)
class Record:
    """The content of the database at the end."""

    statuses: Mapping[str, str]
    attempts: Sequence[Attempt]
    # By task and kind.
    events: Mapping[tuple[str, str], int]
    last_status: Mapping[str, str]
    gaps: int
    integrity: str

    def attempts_of(self, task: str) -> list[Attempt]:
        """Returns the attempts of a task."""
        return [attempt for attempt in self.attempts if attempt.task == task]


@dataclass(frozen=True, slots=True)
class Harm:
    """A span of time with a fault, and the workers concerned; all of them if `workers` is None."""

    from_s: float
    to_s: float
    workers: frozenset[str] | None

    def explains(self, attempt: Attempt) -> bool:
        """Returns whether the attempt can have been lost by this fault."""
        concerned = self.workers is None or attempt.worker in self.workers
        return concerned and self.from_s <= attempt.ended_s and self.to_s >= attempt.claimed_s - 1.0


def read(db: Path) -> Record:
    """Reads the file of a server that has ended."""
    connection = apsw.Connection(str(db))
    try:
        rows: list[Any] = connection.execute(
            "SELECT task_id, kind, status FROM events ORDER BY seq"
        ).fetchall()
        tasks: list[Any] = connection.execute("SELECT task_id, status FROM tasks").fetchall()
        last, count = connection.execute("SELECT max(seq), count(*) FROM events").fetchone() or (0, 0)
        return Record(
            statuses=dict(tasks),
            attempts=[Attempt(*row) for row in connection.execute(_ATTEMPTS)],
            events=Counter((task, kind) for task, kind, _ in rows),
            last_status={task: status for task, _, status in rows if task and status},
            gaps=last - count,
            integrity=str(connection.execute("PRAGMA integrity_check").get),
        )
    finally:
        connection.close()


def faults(
    record: Record, ledger: ChaosLedger, plan: Plan, expected: Mapping[str, str], harms: Sequence[Harm]
) -> Iterator[str]:
    """Yields every violation."""
    if record.integrity != "ok":
        yield f"the database is damaged: {record.integrity}"
    if record.gaps:
        yield f"the event sequence has {record.gaps} gaps"
    for task, status in expected.items():
        if record.statuses.get(task) != status:
            yield f"{task} is {record.statuses.get(task)}, in a faultless run it is {status}"
        yield from _of_task(record, task)
    yield from _of_ledger(record, ledger, plan)
    for attempt in record.attempts:
        late = record.events[attempt.task, "result_accepted"]
        if late and attempt.outcome == "released":
            continue  # by the result of an earlier attempt
        if attempt.lost and not any(harm.explains(attempt) for harm in harms):
            yield f"{attempt} was lost and nothing was wrong"


def _of_task(record: Record, task: str) -> Iterator[str]:
    """Checks that a single outcome counts, and that the events agree with the tables."""
    attempts, status = record.attempts_of(task), record.statuses.get(task)
    outcomes = Counter(attempt.outcome for attempt in attempts)
    if [attempt.number for attempt in attempts] != list(range(1, len(attempts) + 1)):
        yield f"{task}: attempts have the numbers {[attempt.number for attempt in attempts]}"
    if outcomes["completed"] != (status == "completed"):
        yield f"{task} is {status} and has {outcomes['completed']} completed attempts"
    # A claim that had not started is released when the result of a lost attempt arrives and counts.
    last = [attempt.outcome for attempt in attempts if attempt.outcome != "released"][-1:]
    if outcomes["completed"] and last != ["completed"]:
        yield f"{task} went on after it was completed"
    counted = {
        kind: record.events[task, kind] for kind in ("task_claimed", "task_completed", "task_released")
    }
    late = record.events[task, "result_accepted"]
    actual = {
        "task_claimed": len(attempts),
        "task_completed": outcomes["completed"] - late,
        "task_released": outcomes["released"],
    }
    if counted != actual:
        yield f"{task}: events {counted}, attempts {actual}"
    if record.events[task, "session_started"] != sum(attempt.sessions for attempt in attempts):
        yield f"{task}: not every session is in the events"
    if record.last_status.get(task) != status:
        yield f"{task} is {status}, by its last event {record.last_status.get(task)}"


def _of_ledger(record: Record, ledger: ChaosLedger, plan: Plan) -> Iterator[str]:
    """Checks that the sessions that ran are those in the database."""
    known = {attempt.name: attempt for attempt in record.attempts}
    began = Counter((start.task, start.attempt) for start in ledger.began())
    ended = ledger.ended()
    for overlap in ledger.words("overlap"):
        yield f"two sessions of one task at once: {overlap}"
    for early in ledger.out_of_order(plan):
        yield f"{early} began before its dependencies had ended"
    for name, count in began.items():
        attempt = known.get(name)
        if count > 1:
            yield f"{name} ran {count} times"
        if attempt is None or not attempt.sessions or not attempt.started:
            yield f"{name} ran without a go: {attempt}"
    for attempt in record.attempts:
        if attempt.outcome == "completed" and attempt.name not in ended:
            yield f"{attempt.name} counts as completed and its session never came to its end"
        # A late result that counts is stored as a late result, and its event says that it counts.
        late = record.events[attempt.task, "result_accepted"]
        if attempt.outcome == "completed" and attempt.late_results != late:
            yield f"{attempt.name} was completed and has another result besides"
    yield from _of_ends(record, ended)


def _of_ends(record: Record, ended: set[tuple[str, int]]) -> Iterator[str]:
    """Checks that a session that ended well counts, unless its attempt had been lost."""
    by_task: defaultdict[str, int] = defaultdict(int)
    for attempt in record.attempts:
        if attempt.name in ended:
            by_task[attempt.task] += not attempt.lost
            if attempt.outcome not in ("completed", "lost") and not attempt.lost:
                yield f"{attempt} did its work and does not count"
    for task, count in by_task.items():
        if count > 1:
            yield f"{task} was done {count} times"
