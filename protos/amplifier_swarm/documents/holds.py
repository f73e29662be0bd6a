"""The documents of holds, notes and the inbox. Other programs rely on their keys."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.budgets import budget_document
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.v1.hold_pb2 import Note
from amplifier_swarm.v1.operator_service_pb2 import ListInboxResponse


def note_document(note: Note) -> Document:
    """Returns a note of a person."""
    return {"text": note.text, "author": note.author or None, "noted_at": words.iso(note, "noted_at")}


def inbox_document(inbox: ListInboxResponse) -> Document:
    """Returns what waits for a person, the most urgent first."""
    return {
        "held": inbox.held,
        "entries": [
            {
                "task": task_document(entry.task),
                "waiting": entry.waiting,
                "waiting_hours": words.finite(entry.waiting_hours),
            }
            for entry in inbox.entries
        ],
        "budgets": [budget_document(budget) for budget in inbox.budgets],
    }
