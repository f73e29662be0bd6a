"""Blocks for the clones on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from amplifier_swarm.documents import Document
from swarmctl import text_format
from swarmctl.render.blocks import Blocks, Column, Cut, Prose, Table, cell, id_column

_COLUMNS: Final = (
    id_column("TASK"),
    Column("ATTEMPT", right=True, rank=2),
    Column("STATE"),
    Column("SIZE", right=True),
    Column("AGE", right=True, rank=1),
    Column("FOLDER", flexible=True, cut=Cut.MIDDLE),
)
MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Workspaces:
    """The clones as swarm-worker prints them; each has the keys of the document."""

    entries: Sequence[dict[str, Any]]


def workspaces_document(found: Workspaces) -> Document:
    """Returns the clones as swarm-worker prints them."""
    return {"workspaces": list(found.entries)}


def workspaces_blocks(found: Workspaces) -> Blocks:
    """Returns a table of the clones, and their size in all."""
    if not found.entries:
        return [Prose("no task has a clone here", indent=0)]
    rows = [
        (
            cell(entry["task"]),
            cell(entry["attempt"]),
            cell("removed" if entry["removed"] else entry["state"]),
            cell(f"{entry['bytes'] / MIB:,.1f} MiB"),
            cell(text_format.span(float(entry["age_s"]))),
            cell(entry["folder"]),
        )
        for entry in found.entries
    ]
    left = [entry for entry in found.entries if not entry["removed"]]
    size = sum(entry["bytes"] for entry in left) / MIB
    total = f"{text_format.plural(len(left), 'clone')}, {size:,.1f} MiB"
    return [Table(_COLUMNS, rows), Prose(total, indent=0)]
