"""Conversion of holds, and notes to messages."""

from collections.abc import Sequence

from amplifier_swarm.v1 import hold_pb2
from swarmd.domain.holds import Hold, HoldKind, Note
from swarmd.wire import budgets, enums, values


def hold(value: Hold) -> hold_pb2.Hold:
    """Converts a hold."""
    return hold_pb2.Hold(
        hold_id=value.hold_id,
        kind=enums.HOLD_KIND.to_wire(value.kind),
        text=value.text,
        options=value.options,
        attempt=value.attempt,
        held_by=value.held_by,
        since=values.timestamp(value.since_us),
        ended_at=values.timestamp(value.ended_us),
        ended_by=value.ended_by,
        answer=value.answer,
        point=enums.APPROVAL_POINT.to_wire(value.point),
        approved=value.approved,
        budget=None if value.budget is None else budgets.name(value.budget),
        in_place=value.in_place and value.ended_us is None,
    )


def notes(found: Sequence[Note]) -> list[hold_pb2.Note]:
    """Converts notes."""
    return [
        hold_pb2.Note(text=note.text, author=note.author, noted_at=values.timestamp(note.noted_us))
        for note in found
    ]


def answers(found: Sequence[Hold]) -> list[hold_pb2.Answer]:
    """Converts answered holds to what a worker gets."""
    return [
        hold_pb2.Answer(
            question=asked.text,
            text=f"Rejected: {asked.answer}" if asked.kind is HoldKind.APPROVAL else asked.answer,
            author=asked.ended_by,
            answered_at=values.timestamp(asked.ended_us),
        )
        for asked in found
    ]
