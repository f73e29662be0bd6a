"""The report of the doctor."""

from collections.abc import Sequence
from typing import Final

from amplifier_swarm.documents import Document
from swarmctl import text_format
from swarmctl.doctor.check import Check, Grade, failed
from swarmctl.render.blocks import Blocks, Column, Cut, Prose, Table, cell, reason_column

COLUMNS: Final = (
    Column(""),
    Column("CHECK"),
    reason_column("FOUND", cut=Cut.WRAP),
    reason_column("WHAT TO DO", cut=Cut.WRAP),
)
STYLES: Final = {Grade.OK: "green", Grade.OPEN: "dim", Grade.WARN: "yellow", Grade.FAIL: "bold red"}


def doctor_document(checks: Sequence[Check]) -> Document:
    """Returns all checks, and whether none failed."""
    return {
        "ok": not failed(checks),
        "checks": [
            {
                "check": check.name,
                "grade": check.grade.value,
                "found": check.found,
                "hint": check.hint or None,
            }
            for check in checks
        ],
    }


def doctor_blocks(checks: Sequence[Check]) -> Blocks:
    """Returns the report for people."""
    rows = [
        (cell(check.grade.value, STYLES[check.grade]), cell(check.name), cell(check.found), cell(check.hint))
        for check in checks
    ]
    bad, odd, left = (
        sum(check.grade is grade for check in checks) for grade in (Grade.FAIL, Grade.WARN, Grade.OPEN)
    )
    summary = (
        f"{text_format.plural(len(checks), 'check')}: {bad} failed, {text_format.plural(odd, 'warning')}"
        f"{f', {left} not proven' if left else ''}"
    )
    return [Table(COLUMNS, rows), Prose(summary, indent=0)]
