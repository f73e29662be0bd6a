"""Reads mutated task files as swarmctl does and judges each result.

A file is either refused whole, with the typed error and in lines that can be shown to people, or read whole. A file
that is read has as many tasks as an independent YAML reader sees, each with its id.
"""

import json
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.faults import SHOWN
from amplifier_swarm.plan.read import Plan, read_plan
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask
from fuzz.plan_mutations import mutated, seeds, wholes
from swarmd.domain.errors import SwarmError
from swarmd.domain.plan import check_plan
from swarmd.wire.definitions import read_planned

# In CPU time of this process, so that a busy machine does not look like a hang.
DEADLINE_S: Final = 5.0
# The longest line that a fault may have.
_LINE_CHARS: Final = 6_000
_STRINGS: Final[Any] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class Hang(Exception):
    """A file took longer than DEADLINE_S."""


@dataclass
class Tally:
    """The results of the files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def play(seed: int, numbers: Sequence[int], folder: Path) -> Tally:
    """Reads the files with these numbers in the seed's series."""
    tally, pieces, whole = Tally(), seeds(), wholes()
    path = folder / "plan.yaml"
    for number in numbers:
        data = mutated(seed, number, pieces, whole)
        path.write_bytes(data)
        try:
            with _deadline():
                tally.outcomes[_read(path, data)] += 1
        except Exception as error:  # noqa: BLE001  # every error is a finding
            tally.failures.append(f"seed {seed} file {number}: {type(error).__name__}: {error}")
    return tally


def _read(path: Path, data: bytes) -> str:
    try:
        plan = read_plan(str(path))
    except ProgramExit as refused:
        _check_refusal(refused, str(path))
        return "refused by the reader"
    _check_plan(plan, data)
    # As if the server had everything that the tasks wait for.
    known: dict[str, list[str]] = {name: [] for task in plan.tasks for name in task.definition.dependencies}
    for task in plan.tasks:
        known.pop(task.definition.task_id, None)
    try:
        check_plan([read_planned(task) for task in plan.tasks], known, concurrency=plan.concurrency)
    except SwarmError as error:
        return "refused by the server" if error.faults else "refused without a fault"
    return "read"


def _check_refusal(refused: ProgramExit, file: str) -> None:
    assert refused.code is ExitCode.USAGE, refused.code
    lines = refused.line("swarmctl").split("\n")
    assert 1 <= len(lines) <= SHOWN + 1, f"{len(lines)} lines"
    for line in lines:
        assert line.startswith(file) or (line.startswith("and ") and line.endswith(" more")), line
        assert printable(line) == line, ascii(line)
        assert len(line) <= _LINE_CHARS, f"a line of {len(line)} characters"


def _check_plan(plan: Plan, data: bytes) -> None:
    text = data.decode("utf-8-sig")
    try:
        document = yaml.load(text, Loader=_STRINGS)
    except yaml.YAMLError:
        json.loads(text)  # JSON with a key of more than 1,024 characters is not YAML
        return
    items = document["tasks"]
    assert len(plan.tasks) == len(plan.entries) == len(items), "not every task of the file was read"
    for task, item in zip(plan.tasks, items, strict=True):
        assert task.definition.task_id == item["id"], "an id is not the one in the file"
        assert PlannedTask.FromString(task.SerializeToString()) == task, "it does not survive the wire"


@contextmanager
def _deadline() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang(f"more than {DEADLINE_S:.0f} s")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, DEADLINE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
