"""The document of the reasons why a task has its status."""

from amplifier_swarm.documents import Document, words
from amplifier_swarm.documents.tasks import signs_document, task_document
from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskResponse, ReasonKind


def explain_document(answer: ExplainTaskResponse) -> Document:
    """Returns a task and the reasons that keep it in its status."""
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
        "signs": signs_document(answer.signs) if answer.HasField("signs") else None,
    }
