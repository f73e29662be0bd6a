"""Blocks for the files that attempts left for people. Their names come from sessions."""

from typing import Final

from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import ListArtifactsResponse
from swarmctl import text_format
from swarmctl.render.blocks import Blocks, Column, Cut, Table, cell, prose

_COLUMNS: Final = (
    Column("ATTEMPT", right=True),
    Column("NAME", flexible=True, cut=Cut.MIDDLE),
    Column("BYTES", right=True),
    Column("STORED", rank=2),
    Column("SHA256", rank=1),
)
_SHORT: Final = 12


def artifacts_blocks(answer: ListArtifactsResponse) -> Blocks:
    """Returns the artifacts of a task as a table; a lost content is named as such."""
    if not answer.artifacts:
        return [prose("No artifact is stored.")]
    rows = [
        (
            cell(artifact.attempt),
            cell(printable(artifact.name)),
            cell(f"{artifact.size:,}"),
            cell(text_format.moment(artifact, "stored_at")),
            cell("lost", "red") if artifact.lost else cell(artifact.sha256[:_SHORT]),
        )
        for artifact in answer.artifacts
    ]
    return [Table(_COLUMNS, rows)]
