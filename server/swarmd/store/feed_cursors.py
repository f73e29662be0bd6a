"""The positions of the lasting readers of the event feed, which go on there after a restart."""

from collections.abc import Mapping

from swarmd.store.transaction import ReadTx, Tx


def last_seq(tx: ReadTx, name: str) -> int | None:
    """Returns the last event that the reader has dealt with; None if it has never read."""
    seq: int | None = tx.value("reader_seq", name=name)
    return seq


def list_all(tx: ReadTx) -> Mapping[str, int]:
    """Returns the position of every reader, by name."""
    return {name: seq for name, seq in tx.all("reader_all")}  # noqa: C416  # rows are tuples of any length


def save(tx: Tx, name: str, seq: int) -> None:
    """Stores the position of the reader."""
    tx.run("reader_save", name=name, seq=seq)
