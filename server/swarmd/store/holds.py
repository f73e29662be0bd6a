"""Holds and notes of tasks as rows."""

import json
from collections.abc import Mapping, Sequence

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.holds import Hold, HoldKind, NewHold, Note
from swarmd.domain.model import TaskKey
from swarmd.domain.shared_budget import BudgetKind, BudgetName
from swarmd.store.transaction import IGNORE_DEFERRED, ReadTx, Row, Tx


def begin(tx: Tx, key: TaskKey, hold: NewHold, *, attempt: int, in_place: bool = False) -> None:
    """Stores a hold of the task, which has none that lasts; `in_place` if a running session waits for it."""
    tx.run(
        "hold_begin", task_key=key, attempt=attempt, kind=hold.kind, text=hold.text,
        options=json.dumps(hold.options, ensure_ascii=False), held_by=hold.held_by, now_us=tx.now_us,
        point=hold.point or "", budget_key=hold.budget_key, in_place=in_place,
    )  # fmt: skip


def end(tx: Tx, key: TaskKey, *, ended_by: str = "", answer: str = "", approved: bool = False) -> None:
    """Ends the lasting hold of the task, if there is one."""
    tx.run("hold_end", task_key=key, ended_by=ended_by, answer=answer, approved=approved, now_us=tx.now_us)


def in_place(tx: ReadTx, key: TaskKey, *, attempt: int) -> Hold | None:
    """Returns the latest question that a running session of the attempt has asked, answered or not."""
    row = tx.one("hold_in_place", task_key=key, attempt=attempt)
    return None if row is None else from_row(row)


def answer_in_place(tx: Tx, hold: Hold, *, ended_by: str, answer: str) -> None:
    """Stores the answer to a question that a running session waits for."""
    tx.run("hold_answer_in_place", key=hold.key, ended_by=ended_by, answer=answer, now_us=tx.now_us)


def park(tx: Tx, hold: Hold) -> None:
    """Lets a question in place hold its task; call it before the attempt ends."""
    tx.run("hold_park", key=hold.key)


def lasting(tx: ReadTx, key: TaskKey) -> Hold | None:
    """Returns the hold that lasts; None if the task is not held."""
    row = tx.one("hold_lasting", task_key=key)
    return None if row is None else from_row(row)


def find(tx: ReadTx, key: TaskKey, hold_id: tuple[int, int]) -> Hold | None:
    """Returns the hold of the task with that epoch and key."""
    epoch, hold_key = hold_id
    row = tx.one("hold_find", task_key=key, epoch=epoch, key=hold_key)
    return None if row is None else from_row(row)


def of_task(tx: ReadTx, key: TaskKey, *, limit: int) -> Sequence[Hold]:
    """Returns the latest holds of the task, the earliest of them first."""
    return [from_row(row) for row in tx.all("hold_of_task", task_key=key, limit=limit)][::-1]


def answered(tx: ReadTx, key: TaskKey, *, limit: int) -> Sequence[Hold]:
    """Returns the latest holds of the task that were answered, the earliest of them first."""
    return [
        from_row(row) for row in tx.all("hold_answered", subject=IGNORE_DEFERRED, task_key=key, limit=limit)
    ][::-1]


def rejections(tx: ReadTx, key: TaskKey, *, limit: int) -> Sequence[Hold]:
    """Returns the latest rejections of what the task did last, the earliest of them first."""
    return [
        from_row(row) for row in tx.all("hold_rejections", subject=IGNORE_DEFERRED, task_key=key, limit=limit)
    ][::-1]


def count_by_kind(tx: ReadTx) -> Mapping[HoldKind, int]:
    """Returns the number of lasting holds of each kind that has one."""
    return {HoldKind(kind): count for kind, count in tx.all("hold_counts")}


def add_note(tx: Tx, key: TaskKey, text: str, author: str) -> None:
    """Stores a note of a person."""
    tx.run("note_add", task_key=key, text=text, author=author, now_us=tx.now_us)


def notes(tx: ReadTx, key: TaskKey) -> Sequence[Note]:
    """Returns the notes of the task, the earliest first."""
    return [Note(*row) for row in tx.all("note_of_task", subject=IGNORE_DEFERRED, task_key=key)]


def from_row(row: Row) -> Hold:
    """Returns the hold of a row with the `hold_columns` of queries.sql."""
    (
        key, epoch, kind, text, options, attempt, held_by, since_us, ended_us, ended_by, answer, point, approved,
        budget_kind, budget_name, in_place_now,
    ) = row  # fmt: skip
    return Hold(
        key, epoch, HoldKind(kind), text, tuple(json.loads(options)), attempt, held_by, since_us, ended_us, ended_by,
        answer, ApprovalPoint(point) if point else None, bool(approved),
        BudgetName(BudgetKind(budget_kind), budget_name) if budget_kind else None, bool(in_place_now),
    )  # fmt: skip
