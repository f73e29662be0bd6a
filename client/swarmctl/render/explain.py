"""Why a task is where it is."""

from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskResponse, ReasonKind
from swarmctl import words
from swarmctl.render.blocks import Blocks, Document, prose
from swarmctl.render.tasks import changed_blocks, task_document


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


def explain_blocks(answer: ExplainTaskResponse) -> Blocks:
    """The same for people."""
    lines = [reason.message for reason in answer.reasons] or ["nothing keeps it: it can start at once"]
    return [*changed_blocks([answer.task]), prose("\n".join(f"- {line}" for line in lines))]
