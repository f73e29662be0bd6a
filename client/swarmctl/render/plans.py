"""What the server made of a plan."""

from amplifier_swarm.documents import Document
from swarmctl.plan.send import Sent
from swarmctl.render.blocks import Blocks, Prose


def sent_document(sent: Sent) -> Document:
    """How many tasks became what."""
    answer = sent.answer
    return {
        "added": answer.added,
        "changed": answer.changed,
        "unchanged": answer.unchanged,
        "removed": answer.removed,
        "dry_run": sent.dry_run,
        "warnings": [fault.problem for fault in sent.warnings],
    }


def sent_text(sent: Sent) -> str:
    """The same in a line."""
    answer = sent.answer
    told = f"{answer.added:,} added, {answer.changed:,} changed, {answer.unchanged:,} unchanged"
    told += f", {answer.removed:,} removed" if answer.removed else ""
    return f"{told} (dry run: nothing was changed)" if sent.dry_run else told


def sent_blocks(sent: Sent) -> Blocks:
    """The same as blocks."""
    return [Prose(sent_text(sent), indent=0)]
