"""Targets, the queue of attempts that want to land on them, and the changes of attempts, as rows.

Invariant: nobody writes who has the right to land. It is the first attempt of the target's queue that has not ended, so
the right ends with the attempt, and a restart of the server changes nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from swarmd.domain.holds import RejectedWork
from swarmd.domain.landing import KeptWork, ReportedChange
from swarmd.domain.model import AttemptKey, TargetKey, TaskKey
from swarmd.store.transaction import IGNORE_DEFERRED, ReadTx, Tx


class Turn(NamedTuple):
    """The place of an attempt in the queue: how many are before it, and since when it has the right."""

    before: int
    tip: str
    target: str
    since_us: int | None


class InTurn(NamedTuple):
    """The attempt that has the right to land."""

    task_key: TaskKey
    number: int


class Ahead(NamedTuple):
    """An attempt that is served before another one; it has the right if there is a time."""

    task_id: str
    worker: str
    since_us: int | None


class LandingTotals(NamedTuple):
    """How many attempts have landed, and how many have found that an earlier one had."""

    landed: int
    found: int


class StoredChange(NamedTuple):
    """The change of an attempt: a summary as JSON, and the patch, compressed by zlib."""

    number: int
    summary: str
    patch: bytes | None


def target_key(tx: Tx, repository: str, target: str) -> TargetKey:
    """Returns the key of the target; stores the target if it is new."""
    tx.run("target_add", repository=repository, target=target)
    return TargetKey(int(tx.value("target_key", repository=repository, target=target)))


def tip(tx: ReadTx, key: TargetKey) -> str:
    """Returns the commit of the last landing on the target that was reported, empty if none was."""
    return str(tx.value("target_tip", subject=IGNORE_DEFERRED, key=key))


def learn_tip(tx: Tx, attempt_key: AttemptKey) -> None:
    """Notes the landing of an attempt that has completed as the tip of the target, unless a later one is known."""
    tx.run("target_learn", attempt_key=attempt_key)


def first_base(tx: ReadTx, task_key: TaskKey, key: TargetKey) -> str | None:
    """Returns the commit that precedes any landing of the task; None before its first attempt in a clone."""
    found: str | None = tx.value("landing_first_base", subject=task_key, task_key=task_key, target_key=key)
    return found


def previous_head(tx: ReadTx, task_key: TaskKey) -> str:
    """Returns the last commit of the task's latest attempt that left one, empty if none did."""
    return tx.value("change_last_head", subject=task_key, task_key=task_key) or ""


class AcceptedWork(NamedTuple):
    """The work of a task's completed attempt. `work` is incomplete if no ref keeps the work."""

    work: KeptWork
    landed: bool
    in_clone: bool


def accepted_work(tx: ReadTx, task_key: TaskKey) -> AcceptedWork | None:
    """Returns the work of the completed attempt of the task, None if no attempt has completed."""
    row = tx.one("landing_accepted_work", task_key=task_key)
    if row is None:
        return None
    number, landed, in_clone, repository, base, head, ref, session_id = row
    work = KeptWork(number, base, head, ref, repository, session_id)
    return AcceptedWork(work, bool(landed), bool(in_clone))


class LeftWork(NamedTuple):
    """The work that an attempt has left, whatever came of it; incomplete if no ref keeps it."""

    work: KeptWork
    in_clone: bool
    completed: bool
    # The report of that attempt, and whether a validator has passed the work.
    report: str
    passed: bool


def left_work(tx: ReadTx, task_key: TaskKey, *, number: int | None = None) -> LeftWork | None:
    """Returns the work of that attempt, or of the latest one with a go that has not landed work; None if none is."""
    row = tx.one("landing_latest_work", task_key=task_key, number=number)
    if row is None:
        return None
    found, in_clone, completed, repository, base, head, ref, session_id, report, passed = row
    work = KeptWork(found, base, head, ref, repository if in_clone else "", session_id)
    return LeftWork(work, bool(in_clone), bool(completed), report, bool(passed))


def set_label_set(tx: Tx, task_key: TaskKey, *, label_set_key: int) -> None:
    """Changes what the task demands of a worker; the task must not be held."""
    tx.run("task_set_label_set", key=task_key, label_set_key=label_set_key)


def rename(tx: Tx, task_key: TaskKey) -> None:
    """Gives the landings of the task another name from now on, so that no attempt takes an earlier one for its own."""
    tx.run("task_rename_landings", key=task_key)


def count_waiting(tx: ReadTx, task_key: TaskKey) -> int:
    """Counts the tasks that depend on this one and have not started."""
    return int(tx.value("task_count_blocked_by", key=task_key))


def enqueue(tx: Tx, attempt_key: AttemptKey, key: TargetKey) -> None:
    """Gives an attempt without a place the last place of the target's queue."""
    tx.run("landing_take_place", target_key=key)
    tx.run("landing_ask", attempt_key=attempt_key)


def grant(tx: Tx, attempt_key: AttemptKey) -> bool:
    """Notes the time at which the attempt got the right; returns False if that is noted already."""
    return tx.run("landing_grant", attempt_key=attempt_key, now_us=tx.now_us) > 0


def turn(tx: ReadTx, attempt_key: AttemptKey) -> Turn:
    """Returns the place of an attempt that has one."""
    row = tx.one("landing_turn", attempt_key=attempt_key)
    assert row is not None
    return Turn._make(row)


def next_in_turn(tx: ReadTx, key: TargetKey) -> InTurn | None:
    """Returns the attempt that has the right to land, None if none wants to."""
    row = tx.one("landing_next", target_key=key)
    return None if row is None else InTurn._make(row)


def ahead(tx: ReadTx, key: TargetKey, *, place: int) -> Sequence[Ahead]:
    """Returns the attempts that are served before this place, the first of them first."""
    return [Ahead._make(row) for row in tx.all("landing_before", target_key=key, place=place)]


def totals(tx: ReadTx) -> LandingTotals:
    """Returns the number of landings so far."""
    row = tx.one("target_totals")
    assert row is not None
    return LandingTotals._make(row)


def waiting(tx: ReadTx) -> int:
    """Counts the attempts that want to land, those that have the right included."""
    return int(tx.value("landing_waiting"))


def set_change(tx: Tx, attempt_key: AttemptKey, change: ReportedChange) -> None:
    """Stores the change of an attempt in place of an earlier one."""
    tx.run("change_set", attempt_key=attempt_key, base=change.base, head=change.head, summary=change.summary)
    if change.patch:
        tx.run("patch_set", attempt_key=attempt_key, patch=change.patch)
    else:
        tx.run("patch_clear", attempt_key=attempt_key)


def change_of(tx: ReadTx, task_key: TaskKey, *, number: int) -> StoredChange | None:
    """Returns the change of one attempt, of the latest that has one if `number` is 0; None if there is none."""
    row = tx.one("change_of_attempt", task_key=task_key, number=number)
    return None if row is None else StoredChange._make(row)


def rejected_before(tx: ReadTx, task_key: TaskKey, *, number: int) -> RejectedWork | None:
    """Returns the work of the attempt before, of those that had a go; None unless it was rejected with a patch."""
    row = tx.one("change_rejected_before", task_key=task_key, number=number)
    return None if row is None or not row[2] or not row[3] else RejectedWork(row[0], row[2], row[3])
