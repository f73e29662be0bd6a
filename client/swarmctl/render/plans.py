"""The result of an import."""

from dataclasses import dataclass

from amplifier_swarm.documents import Document
from swarmctl.api.plan_upload import ImportReply
from swarmctl.forecast.forecast import Forecast
from swarmctl.render.blocks import Blocks, Prose
from swarmctl.render.forecast import forecast_blocks, forecast_document


@dataclass(frozen=True, slots=True)
class Imported:
    """The server's answer, and for a dry run the forecast."""

    sent: ImportReply
    forecast: Forecast | None = None


def import_document(imported: Imported) -> Document:
    """Returns the number of tasks by result, and the forecast of a dry run."""
    sent = imported.sent
    answer = sent.answer
    made = imported.forecast
    return {
        "added": answer.added,
        "changed": answer.changed,
        "unchanged": answer.unchanged,
        "removed": answer.removed,
        "dry_run": sent.dry_run,
        "warnings": [fault.problem for fault in sent.warnings],
        **({} if made is None else {"forecast": forecast_document(made)}),
    }


def import_text(sent: ImportReply) -> str:
    """Returns the result in one line."""
    answer = sent.answer
    text = f"{answer.added:,} added, {answer.changed:,} changed, {answer.unchanged:,} unchanged"
    text += f", {answer.removed:,} removed" if answer.removed else ""
    return f"{text} (dry run: nothing was changed)" if sent.dry_run else text


def import_blocks(imported: Imported) -> Blocks:
    """Returns the result as blocks."""
    made = imported.forecast
    return [Prose(import_text(imported.sent), indent=0), *([] if made is None else forecast_blocks(made))]
