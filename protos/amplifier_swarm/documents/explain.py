"""Why a task is where it is."""

from amplifier_swarm.documents import words
from amplifier_swarm.documents.document import Document
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskResponse, ReasonKind


def explain_document(answer: ExplainTaskResponse) -> Document:
    """The task and what keeps it."""
    return {
        "task": task_document(answer.task),
        "reasons": [
            {
                "kind": words.word(ReasonKind, reason.kind),
                "message": reason.message,
                "task_ids": list(reason.task_ids),
            }
            for reason in answer.reasons
        ],
    }
