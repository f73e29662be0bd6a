"""The state of the swarm as a whole, and the label sets that its tasks ask for, as rows."""

import json
from collections.abc import Mapping, Sequence

from swarmd.domain.model import PausedRunner, SwarmMode, SwarmState
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


def pause_key(runner: str, worker: str) -> str:
    """Returns the key of a pause: the runner, and the worker if the pause is its alone. No worker name has an @."""
    return f"{runner}@{worker}" if worker else runner


def pause_runner(tx: Tx, runner: str, *, worker: str = "", cause: str) -> bool:
    """Ends claims for that runner, at one worker or at all; returns False if it is paused already."""
    key = pause_key(runner, worker)
    return tx.run("paused_runner_add", runner=key, cause=cause, now_us=tx.now_us) > 0


def resume_runners(tx: Tx) -> None:
    """Ends the pauses of all runners."""
    tx.run("paused_runner_clear")


def paused_runners(tx: ReadTx) -> Sequence[PausedRunner]:
    """Returns the paused runners."""
    found = []
    for key, cause, paused_us in tx.all("paused_runner_all"):
        runner, at, worker = key.rpartition("@")
        found.append(PausedRunner(runner if at else worker, worker if at else "", cause, paused_us))
    return found


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
