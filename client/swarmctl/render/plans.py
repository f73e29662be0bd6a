"""The result of an import."""

from amplifier_swarm.documents import Document
from swarmctl.plan.send import ImportReply
from swarmctl.render.blocks import Blocks, Prose


def import_document(sent: ImportReply) -> Document:
    """Returns the number of tasks by result."""
    answer = sent.answer
    return {
        "added": answer.added,
        "changed": answer.changed,
        "unchanged": answer.unchanged,
        "removed": answer.removed,
        "dry_run": sent.dry_run,
        "warnings": [fault.problem for fault in sent.warnings],
    }


def import_text(sent: ImportReply) -> str:
    """Returns the result in one line."""
    answer = sent.answer
    text = f"{answer.added:,} added, {answer.changed:,} changed, {answer.unchanged:,} unchanged"
    text += f", {answer.removed:,} removed" if answer.removed else ""
    return f"{text} (dry run: nothing was changed)" if sent.dry_run else text


def import_blocks(sent: ImportReply) -> Blocks:
    """Returns the result as blocks."""
    return [Prose(import_text(sent), indent=0)]
