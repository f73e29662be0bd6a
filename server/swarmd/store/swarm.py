"""The one row of what holds for the swarm as a whole, and the label sets that its tasks ask for."""

import json
from collections.abc import Mapping, Sequence

from swarmd.domain.model import PausedRunner, SwarmMode, SwarmState
from swarmd.store import definition_json
from swarmd.store.transaction import ReadTx, Tx


def get(tx: ReadTx) -> SwarmState:
    """How things stand."""
    row = tx.one("swarm_get")
    assert row is not None
    return SwarmState(row[0], row[1], SwarmMode(row[2]), row[3], row[4])


def set_mode(tx: Tx, mode: SwarmMode, *, cause: str, stops: int = 0) -> None:
    """Changes the mode; `stops` counts a new emergency stop."""
    tx.run("swarm_set_mode", mode=mode, cause=cause, stops=stops)


def pause_runner(tx: Tx, runner: str, *, cause: str) -> bool:
    """Lets workers with that runner have no claims; False if it is so already."""
    return tx.run("paused_runner_add", runner=runner, cause=cause, now_us=tx.now_us) > 0


def resume_runners(tx: Tx) -> None:
    """Ends the pauses of all runners."""
    tx.run("paused_runner_clear")


def paused_runners(tx: ReadTx) -> Sequence[PausedRunner]:
    """The runners that are paused."""
    return [PausedRunner(*row) for row in tx.all("paused_runner_all")]


def next_epoch(tx: Tx) -> None:
    """Begins a new history: no lease and no session id of the old one fits any more."""
    tx.run("swarm_next_epoch")
    tx.epoch = get(tx).epoch


def set_epoch(tx: Tx, epoch: int) -> None:
    """Begins that history; the caller has seen to it that no other one has its number."""
    tx.run("swarm_set_epoch", epoch=epoch)


def has_open(tx: ReadTx) -> bool:
    """Whether some task can still make progress by itself."""
    return bool(tx.value("swarm_has_open"))


def label_set_key(tx: Tx, labels: Mapping[str, str]) -> int:
    """The key of that set of labels, stored if it is new."""
    text = definition_json.encode_labels(dict(labels))
    tx.run("label_set_add", labels=text)
    return int(tx.value("label_set_key", labels=text))


def label_sets(tx: ReadTx) -> Mapping[int, Mapping[str, str]]:
    """All sets of labels that tasks ask for."""
    return {key: json.loads(labels) for key, labels in tx.all("label_set_all")}
