"""The state of the swarm as a whole, and the label sets that its tasks ask for, as rows."""

import json
from collections.abc import Mapping

from swarmd.domain.model import SwarmMode, SwarmState
from swarmd.store import definition_json
from swarmd.store.transaction import ReadTx, Tx


def get(tx: ReadTx) -> SwarmState:
    """Returns the state of the swarm."""
    row = tx.one("swarm_get")
    assert row is not None
    swarm_id, epoch, mode, cause, stop_generation = row
    return SwarmState(swarm_id, epoch, SwarmMode(mode), cause, stop_generation)


def set_mode(tx: Tx, mode: SwarmMode, *, cause: str, stops: int = 0) -> None:
    """Changes the mode; `stops` is 1 for an emergency stop."""
    tx.run("swarm_set_mode", mode=mode, cause=cause, stops=stops)


def next_epoch(tx: Tx) -> None:
    """Begins a new epoch: leases and session ids of the old one are no longer valid."""
    tx.run("swarm_next_epoch")
    tx.epoch = get(tx).epoch


def set_epoch(tx: Tx, epoch: int) -> None:
    """Sets the epoch; the caller guarantees that its number was never used."""
    tx.run("swarm_set_epoch", epoch=epoch)


def has_real_work(tx: ReadTx) -> bool:
    """Returns True once a session that was not a rehearsal has run in this database."""
    return bool(tx.value("swarm_real_work"))


def set_real_work(tx: Tx) -> None:
    """Notes that a session that is not a rehearsal runs."""
    tx.run("swarm_set_real_work")


def has_open(tx: ReadTx) -> bool:
    """Returns True if some task can still make progress by itself."""
    return bool(tx.value("swarm_has_open"))


def label_set_key(tx: Tx, labels: Mapping[str, str]) -> int:
    """Returns the key of the label set; stores the set if it is new."""
    text = definition_json.encode_labels(dict(labels))
    tx.run("label_set_add", labels=text)
    return int(tx.value("label_set_key", labels=text))


def label_sets(tx: ReadTx) -> Mapping[int, Mapping[str, str]]:
    """Returns all label sets that tasks ask for, by key."""
    return {key: json.loads(labels) for key, labels in tx.all("label_set_all")}
