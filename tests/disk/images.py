"""Possible contents of a disk after a power failure: everything synced, and any part of the rest.

A disk keeps whole sectors of 512 bytes, in any order. A sector in flight may have any bytes where it was being
written. The other bytes of that sector stay: SQLite relies on it (powersafe overwrite).
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from disk.vfs import Kind, Op

SECTOR = 512
GARBLED = 0.1


class Loss(StrEnum):
    """The fates of the data that was not synced."""

    DROP = "drop"
    KEEP = "keep"
    REORDER = "reorder"  # each write is there or not
    TEAR = "tear"  # each sector is there or not
    GARBAGE = "garbage"  # as torn, and some sectors hold anything


Files = dict[str, bytearray]


class Platter:
    """The files as they are on the disk, and the pending operations on them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._durable: Files = {name: bytearray(data) for name, data in files.items()}
        self._pending: defaultdict[str, list[Op]] = defaultdict(list)

    def ask(self, op: Op) -> None:
        """Adds one operation of the disk."""
        if op.kind is Kind.SYNC:
            for pending in self._pending.pop(op.file, ()):
                _apply(self._durable, pending)
        elif op.kind is Kind.DELETE_FOR_GOOD:
            self._durable.pop(op.file, None)
            self._pending.pop(op.file, None)
        else:
            self._pending[op.file].append(op)

    def image(self, loss: Loss, rng: random.Random) -> Files:
        """Returns the files after a power failure now."""
        files = {name: bytearray(data) for name, data in self._durable.items()}
        for ops in self._pending.values():
            for op in ops:
                for left in _left(op, loss, rng):
                    _apply(files, left)
        return files


def images(
    files: Mapping[str, bytes], ops: Sequence[Op], count: int, rng: random.Random
) -> Iterator[tuple[int, Loss, Files]]:
    """Yields images at random places: the number of operations so far, the kind of loss, and the files."""
    platter, done = Platter(files), 0
    for cut in sorted(rng.randrange(len(ops) + 1) for _ in range(count)):
        for op in ops[done:cut]:
            platter.ask(op)
        done = cut
        loss = rng.choice(list(Loss))
        yield cut, loss, platter.image(loss, rng)


def _left(op: Op, loss: Loss, rng: random.Random) -> Iterator[Op]:
    """Yields the parts of a pending operation that reached the disk."""
    whole = op.kind is not Kind.WRITE or loss in (Loss.KEEP, Loss.DROP, Loss.REORDER)
    if whole:
        if loss is Loss.KEEP or (loss is not Loss.DROP and rng.random() < 0.5):
            yield op
        return
    start = 0
    while start < len(op.data):
        end = min(len(op.data), start + SECTOR - (op.number + start) % SECTOR)
        part = op.data[start:end]
        if loss is Loss.GARBAGE and rng.random() < GARBLED:
            yield op._replace(number=op.number + start, data=rng.randbytes(len(part)))
        elif rng.random() < 0.5:
            yield op._replace(number=op.number + start, data=part)
        start = end


def _apply(files: Files, op: Op) -> None:
    if op.kind is Kind.DELETE:
        files.pop(op.file, None)
        return
    data = files.setdefault(op.file, bytearray())
    end = op.number + len(op.data)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    if op.kind is Kind.TRUNCATE:
        del data[op.number :]
    else:
        data[op.number : end] = op.data
