"""Exclusive names and files in use, as rows. The end of an attempt frees what it holds, by a trigger."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from swarmd.domain.exclusive import folders_of
from swarmd.domain.model import AttemptKey, TaskKey
from swarmd.store.transaction import ReadTx, Tx


class Room(NamedTuple):
    """An exclusive name, and how many more attempts may hold it; not positive if it is full."""

    key: int
    room: int


class Holder(NamedTuple):
    """An attempt that holds an exclusive name or a file."""

    name: str
    task_id: str
    worker: str
    claimed_us: int


# A name that nobody has ever held or waited for.
UNUSED = Room(0, 1)


def room(tx: ReadTx, name: str) -> Room:
    """Returns how many more attempts may hold the name."""
    row = tx.one("name_room", name=name)
    return UNUSED if row is None else Room._make(row)


def overlapping(tx: ReadTx, paths: Sequence[str], *, limit: int) -> list[str]:
    """Returns the held files that are one of the paths, are in one of them, or hold one of them."""
    around = [*paths, *(folder for path in paths for folder in folders_of(path))]
    rows = tx.all("name_overlapping", paths=json.dumps(paths), around=json.dumps(around), limit=limit)
    return [row[0] for row in rows]


def key_of(tx: ReadTx, name: str) -> int:
    """Returns the key of the name; 0 if nobody has ever held it or waited for it."""
    return tx.value("name_key", name=name) or 0


def hold(tx: Tx, attempt: AttemptKey, names: Iterable[str]) -> None:
    """Gives an attempt the use of the names until it ends."""
    for name in names:
        tx.defer("name_add", (), name=name)
        tx.defer("name_hold", (), attempt_key=attempt, name=name)


def wait(tx: Tx, key: TaskKey, name: str) -> None:
    """Puts a claimable task among those that wait for the name, which an attempt holds."""
    tx.defer("task_wait", (key,), key=key, name=name)


def holders(tx: ReadTx, names: Iterable[str], *, limit: int) -> Sequence[Holder]:
    """Returns the attempts that hold the names, the longest first."""
    return [Holder._make(row) for row in tx.all("name_holders", names=json.dumps(list(names)), limit=limit)]


def set_capacities(tx: Tx, concurrency: Mapping[str, int]) -> None:
    """Sets how many attempts may hold each name."""
    tx.run_many(
        "name_set_capacity",
        ({"name": name, "capacity": capacity} for name, capacity in concurrency.items()),
    )


def capacities(tx: ReadTx) -> Mapping[str, int]:
    """Returns the numbers that plans have set."""
    return dict(tx.all("name_capacities"))


def clear(tx: Tx) -> None:
    """Forgets all names; call it when no task is left."""
    tx.run("name_clear")
