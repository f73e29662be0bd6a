"""Where each lasting reader of the events stands, so that it goes on there after a restart."""

from collections.abc import Mapping

from swarmd.store.transaction import ReadTx, Tx


def seq_of(tx: ReadTx, name: str) -> int | None:
    """The last event that the reader has dealt with; None if it has never read."""
    seq: int | None = tx.value("reader_seq", name=name)
    return seq


def every(tx: ReadTx) -> Mapping[str, int]:
    """All of them."""
    return {name: seq for name, seq in tx.all("reader_all")}  # noqa: C416  # rows are tuples of any length


def put(tx: Tx, name: str, seq: int) -> None:
    """Notes how far the reader has come."""
    tx.run("reader_put", name=name, seq=seq)
